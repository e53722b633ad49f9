-- hot.lua [NAME ...]: words over memory (without a name, all below), their verbs called
-- until they are compiled, anew for each store, with every value verified. Run by
-- hot_spec.lua in processes of its own: what LuaJIT makes of a loop differs from run
-- to run, and a bug there may end the process.
local weir = require "weir"

local KEYS, ROUNDS = 300, 10

local function memory() return weir.memory { capacity = "16MiB" } end

local MAKE = {
  bare = memory,
  route = function()
    return weir.route { x = memory(), ["y1"] = memory(), default = memory() }
  end,
  chosen = function()
    local a, b = memory(), memory()
    return weir.route(function(key) return key:byte(-1) % 2 == 0 and a or b end)
  end,
  shard = function() return weir.shard { memory(), memory(), memory() } end,
  replicas = function() return weir.shard { memory(), memory(), replicas = 2 } end,
  tier = function() return weir.tier { memory(), memory() } end,
  around = function() return weir.tier { memory(), memory(), write = "around" } end,
  mirror = function() return weir.mirror { memory(), memory(), ack = 1 } end,
  failover = function() return weir.failover { memory(), memory() } end,
  bysize = function() return weir.bysize { { 6, memory() }, memory() } end,
  byop = function()
    local a = memory()
    return weir.byop { get = a, default = a }
  end,
  quota = function()
    return weir.quota { by = "^(.)", default = "16MiB", max_tenants = 5 }
  end,
  tenants = function()
    return weir.quota { by = "^([^/]+)/", default = "16MiB" }
  end,
  pin = function() return memory():pin { "x1", capacity = "16MiB" } end,
  percent = function() return weir.percent { 30, memory(), 30, memory(), memory() } end,
  warmup = function() return weir.warmup { memory(), memory() } end,
  shadow = function() return memory():shadow { memory(), compare = true } end,
  coded = function() return memory():checksum():compress { above = 1 } end,
  guarded = function()
    return memory():timeout(1):breaker {}:retry { 2 }:deadline(2)
  end,
  limited = function() return memory():limit { 10 }:coalesce():meter "m" end,
  remembered = function()
    return memory():negative { ttl = 1 }:ttl(60, { stale = 5 })
  end,
  named = function() return memory():prefix "ns/":tap(function() end) end,
}


local function key_of(i) return (i % 3 == 0 and "x" or "y") .. i end
local function value_of(i, round) return ("v"):rep(i % 9) .. i .. "/" .. round end


local function singles(store, round)
  for i = 1, KEYS do
    local key, value = key_of(i), value_of(i, round)
    assert(store:set(key, value))
    assert(store:exists(key))
    assert(tostring(store:get(key)) == value)
  end
end


local function batches(store, round, n)
  for first = 1, KEYS - n, n do
    local keys, values = {}, {}
    for k = 1, n do
      keys[k], values[k] = key_of(first + k), value_of(first + k, -round)
    end
    keys[n + 1], values[n + 1] = keys[1], values[1]
    assert(store:set_many(keys, values):all "good")
    local reply = store:get_many(keys)
    for k = 1, n + 1 do assert(reply:string(k) == values[k]) end
  end
end


local names = { ... }
if #names == 0 then
  for name in pairs(MAKE) do names[#names + 1] = name end
end

weir.run(function()
  for round = 1, ROUNDS do
    for _, word in ipairs(names) do
      local store = MAKE[word]()
      local ok, why = pcall(function()
        singles(store, round)
        for _, n in ipairs { 2, 7, 64 } do batches(store, round, n) end
        for i = 1, KEYS do store:delete(key_of(i)) end
      end)
      if not ok then error(word .. ": " .. tostring(why), 0) end
      store:close()
    end
    collectgarbage()
  end
end)
print "every value was right"
