-- weir bench policies --instances: gets of one key by turns through 1, 32 and 128
-- instances of a word over one memory, in CPU time. What LuaJIT compiles of a word
-- should serve all its instances. Also the bytes that one get leaves to the collector.
local weir = require "weir"

local KEYS, CALLS, ROUNDS = 64, 20000, 9
local MANY = { 32, 128 }

local READ = [[
return function(stores, keys, calls)
  local n = #stores
  for i = 1, calls do
    if not stores[i % n + 1]:get(keys[i % #keys + 1]) then error "a miss" end
  end
end
]]


local function words(base, other)
  return {
    { "memory", function() return base end },
    { "route", function() return weir.route { k = base, default = other } end },
    { "shard", function() return weir.shard { base, other } end },
    { "prefix", function() return base:prefix "p/" end },
    { "retry", function() return base:retry { 2 } end },
    { "timeout", function() return base:timeout(1) end },
    { "breaker", function() return base:breaker {} end },
    { "limit", function() return base:limit { 100 } end },
    { "tier", function() return weir.tier { base, other } end },
    { "mirror", function() return weir.mirror { base, other } end },
    { "ten retries", function()
      local store = base
      for _ = 1, 10 do store = store:retry { 2 } end
      return store
    end },
  }
end


-- The least time of a get of several rounds, in ns, and the bytes that it leaves.
local function measure(stores, keys)
  local read, least = loadstring(READ, "=read")(), math.huge
  for _ = 1, 3 do read(stores, keys, CALLS) end
  for _ = 1, ROUNDS do
    collectgarbage()
    local begun = os.clock()
    read(stores, keys, CALLS)
    least = math.min(least, (os.clock() - begun) / CALLS * 1e9)
  end
  collectgarbage()
  collectgarbage "stop"
  local before = collectgarbage "count"
  read(stores, keys, CALLS)
  local bytes = (collectgarbage "count" - before) * 1024 / CALLS
  collectgarbage "restart"
  return least, bytes
end


return function(bench)
  weir.run(function()
    local base = weir.memory { capacity = "16MiB" }
    local other = weir.memory { capacity = "16MiB" }
    local keys = {}
    for i = 1, KEYS do
      keys[i] = "key-" .. i
      for _, key in ipairs { keys[i], "p/" .. keys[i] } do
        assert(base:set(key, "value") and other:set(key, "value"))
      end
    end
    for _, word in ipairs(words(base, other)) do
      local name, make = unpack(word)
      local stores = { make() }
      local one, bytes = measure(stores, keys)
      bench:row { case = name .. ": a get", figure = one, unit = "ns",
        target = name ~= "memory" and name ~= "ten retries" and "<= 800" or nil,
        note = ("%.0f B for the collector"):format(bytes) }
      for _, n in ipairs(MANY) do
        for i = #stores + 1, n do stores[i] = make() end
        bench:row { case = ("%s: by turns through %d"):format(name, n),
          figure = (measure(stores, keys)), unit = "ns", reference = "one", of = one,
          target = "<= 2x" }
      end
    end
    base:close()
    other:close()
  end)
end
