-- A cache for any client of Redis:
--
--     weir serve examples/serve/kv.lua
--     redis-cli set greeting hello
--     redis-cli weir tree
--
-- Reads come from memory, else from files, which are copied to memory. A write goes to
-- both. What many clients want at once is read once. No operation takes longer than a
-- second. Change this file and say `redis-cli weir reload`, or send SIGHUP.

local dir = os.getenv "KV_DIR" or "/var/cache/weir"

local ram = memory { capacity = "256MiB" }
local disk = fs { path = dir, capacity = "10GiB" }

return tier { ram, disk, write = "through" } :coalesce() :deadline(1)
