-- garbage.lua: for some words, and for the bare store, the bytes that a compiled get
-- leaves to the collector: the least of several rounds. Run by reuse_spec.lua in a
-- process of its own.
local weir = require "weir"

local KEYS, CALLS, ROUNDS = 64, 2000, 20

local function memory() return weir.memory { capacity = "16MiB" } end

local MAKE = {
  bare = memory,
  prefix = function() return memory():prefix "p/" end,
  retry = function() return memory():retry { 2 } end,
  route = function() return weir.route { x = memory(), default = memory() } end,
  tier = function() return weir.tier { memory(), memory() } end,
  timeout = function() return memory():timeout(1) end,
}

local LOOP = [[
return function(store, keys, calls)
  for i = 1, calls do
    if not store:get(keys[i % #keys + 1]) then error "a miss" end
  end
end
]]


local function measure(store)
  local keys, read, least = {}, loadstring(LOOP, "=read")(), math.huge
  for i = 1, KEYS do
    keys[i] = "key-" .. i
    assert(store:set(keys[i], "value"))
  end
  for _ = 1, ROUNDS do
    collectgarbage()
    collectgarbage "stop"
    local before = collectgarbage "count"
    read(store, keys, CALLS)
    least = math.min(least, collectgarbage "count" - before)
    collectgarbage "restart"
  end
  return least * 1024 / CALLS
end


weir.run(function()
  for name, make in pairs(MAKE) do print(name, measure(make())) end
end)
