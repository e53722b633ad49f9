-- instances.lua: for each word the time of a get through one instance, and of gets by
-- turns through 128 of them, in CPU nanoseconds, the least of several rounds; first of
-- the bare store. All in one process, as a program with many trees. Run by
-- instances_spec.lua.
local weir = require "weir"

local KEYS, MANY, CALLS, ROUNDS = 64, 128, 3000, 4

local base = weir.memory { capacity = "16MiB" }
local other = weir.memory { capacity = "16MiB" }

local function deep(word)
  return function()
    local store = base
    for _ = 1, 3 do store = word(store) end
    return store
  end
end


local MAKE = {
  admit = function() return base:admit(weir.maxsize(100)) end,
  breaker = function() return base:breaker {} end,
  byop = function() return weir.byop { get = base, default = base } end,
  bysize = function() return weir.bysize { { 64, base }, other } end,
  coalesce = function() return base:coalesce() end,
  deadline = function() return base:deadline(1) end,
  failover = function() return weir.failover { base, other } end,
  fault = function() return base:fault(0) end,
  limit = function() return base:limit { 100 } end,
  meter = function() return base:meter "m" end,
  mirror = function() return weir.mirror { base, other } end,
  negative = function() return base:negative {} end,
  pin = function() return base:pin { "x", capacity = "64KiB" } end,
  percent = function() return weir.percent { 50, base, other } end,
  policy = function()
    return weir.policy { children = { base }, immediate = true, bounded = true,
      run = function(self, req) return self.children[1]:run(req) end }
  end,
  prefix = function() return base:prefix "p/" end,
  readonly = function() return base:readonly() end,
  retry = function() return base:retry { 2 } end,
  route = function() return weir.route { k = base, default = other } end,
  chosen = function() return weir.route(function() return base end) end,
  shard = function() return weir.shard { base, other } end,
  jump = function() return weir.shard { base, other, hash = "jump" } end,
  ketama = function() return weir.shard { base, other, hash = "ketama" } end,
  slots = function() return weir.shard { base, other, hash = "slots" } end,
  tagged = function() return weir.shard { base, other, tags = true } end,
  tap = function() return base:tap(function() end) end,
  tier = function() return weir.tier { base, other } end,
  timeout = function() return base:timeout(1) end,
  ttl = function() return base:ttl(60, { stale = 5 }) end,
  [" bare"] = function() return base end,
  ["three routes"] = deep(function(s) return weir.route { default = s, x = other } end),
  ["three retries"] = deep(function(s) return s:retry { 2 } end),
  ["three timeouts"] = deep(function(s) return s:timeout(1) end),
}

local LOOP = [[
return function(stores, keys, calls)
  local n = #stores
  for i = 1, calls do
    local value = stores[i % n + 1]:get(keys[i % #keys + 1])
    if not value then error "a miss" end
  end
end
]]


local function time(read, stores, keys)
  collectgarbage()
  local begun = os.clock()
  read(stores, keys, CALLS)
  return (os.clock() - begun) / CALLS * 1e9
end


-- The loop of a program, compiled for these stores only.
local function reader(stores, keys)
  local read = loadstring(LOOP, "=read")()
  for _ = 1, 4 do read(stores, keys, CALLS) end
  return read
end


local function measure(name)
  local stores, keys = {}, {}
  for i = 1, KEYS do keys[i] = "key-" .. i end
  for i = 1, MANY do
    stores[i] = MAKE[name]()
    for k = 1, i == 1 and KEYS or 0 do
      base:set("p/" .. keys[k], "value")
      base:set(keys[k], "value")
      other:set(keys[k], "value")
    end
  end
  local one = { stores[1] }
  local read_one, read_many = reader(one, keys), reader(stores, keys)
  local single, many = math.huge, math.huge
  for _ = 1, ROUNDS do
    single = math.min(single, time(read_one, one, keys))
    many = math.min(many, time(read_many, stores, keys))
  end
  return single, many
end


local names = {}
for name in pairs(MAKE) do names[#names + 1] = name end
table.sort(names)
weir.run(function()
  for _, name in ipairs(names) do
    print(("%-14s %6.0f %6.0f"):format(name, measure(name)))
  end
end)
