-- luacheck: ignore 113
-- The policy of the gateway in this folder. Its size and its eviction are parameters:
-- weir sweep tries others, and `run` writes those that it finds in place of these.
return memory {
  capacity = param("ram", "256KiB", "memory for chunks"),
  eviction = param("eviction", "lru", "which chunk goes when it is full"),
}
