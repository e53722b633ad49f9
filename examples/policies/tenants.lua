-- Three tenants of one cache. "flood" reads far more than has room. "acme" and "blue"
-- reuse a few values. In one memory for all, the flood evicts what the others need.
-- With quotas each tenant evicts only its own values, so the small ones keep theirs.
-- One value of the flood, its index, is read rarely, and missed each time: a pin keeps
-- it. The share of gets that hit:
--
--     build/weir run examples/policies/tenants.lua
--
--     store              flood  acme  blue  index
--     one memory           0 %   0 %   0 %    0 %
--     memory with a pin    0 %   0 %   0 %   90 %
--     quota                0 %  95 %  93 %    0 %
--     quota with a pin     0 %  95 %  93 %   90 %
--
-- Each store has 256 KiB, the last one 320. acme and blue miss only the first time.
local Columns = require "weir.app.show.columns"
local weir = require "weir"

local ROUNDS = 200
local VALUE = ("v"):rep(1000)


-- A get that sets what it misses. Returns 1 for a hit.
local function use(store, key)
  if store:get(key) then return 1 end
  assert(store:set(key, VALUE))
  return 0
end


-- The share of hits of each tenant, in percent.
local function serve(store)
  local hits, gets = {}, {}
  local function count(tenant, key)
    hits[tenant] = (hits[tenant] or 0) + use(store, key)
    gets[tenant] = (gets[tenant] or 0) + 1
  end
  for round = 1, ROUNDS do
    for i = 1, 100 do count("flood", ("flood:%d"):format(round * 100 + i)) end
    for i = 1, 2 do
      count("acme", ("acme:%d"):format((round * 2 + i) % 20))
      count("blue", ("blue:%d"):format((round * 2 + i) % 30))
    end
    if round % 20 == 0 then count("index", "flood:index") end
  end
  local list = {}
  for i, tenant in ipairs { "flood", "acme", "blue", "index" } do
    list[i] = ("%.0f %%"):format(hits[tenant] / gets[tenant] * 100)
  end
  return list
end


local function row(name, store)
  local shares = serve(store)
  store:close()
  return { name, unpack(shares) }
end


local function ram(kib)
  return weir.memory { capacity = kib .. "KiB", eviction = "lru" }
end

local function quota(kib)
  return weir.quota { by = "^([^:]+):",
    default = { capacity = kib .. "KiB", eviction = "lru" } }
end


Columns.print({
  { "store", "flood", "acme", "blue", "index" },
  row("one memory", ram(256)),
  row("memory with a pin", ram(192):pin { "flood:index", capacity = "64KiB" }),
  row("quota", quota(64)),
  row("quota with a pin", quota(64):pin { "flood:index", capacity = "64KiB" }),
}, "lrrrr")
