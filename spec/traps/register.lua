-- traps/register.lua: runs random operations with random faults through a tree and
-- holds every read against a plain map of what may be there: after an acknowledged
-- set only its value, after one that was not acknowledged also what was before.

local fake = require "fake"
local script = require "fake.store"
local weir = require "weir"

local Register = {}

local KEYS = { "a", "b" }
local STATUSES = { "unavailable", "timeout", "reset", "busy", "failed" }


local function three(host)
  return script.store(host, "s1"), script.store(host, "s2"), script.store(host, "s3")
end


--- The trees, by name: what must keep the promise.
Register.TREES = {
  ["tier, write-through"] = function(host)
    local a, b, c = three(host)
    return weir.tier { a, b, c }, { a, b, c }
  end,
  ["tier, write-around"] = function(host)
    local a, b, c = three(host)
    return weir.tier { a, b, c, write = "around" }, { a, b, c }
  end,
  ["tier that serves old values"] = function(host)
    local a, b, c = three(host)
    return weir.tier { a, b, c, stale_while = 2, stale_if_error = 100 }:ttl(3),
      { a, b, c }
  end,
  ["tier that demotes"] = function(host)
    local a, b = three(host)
    local ram = weir.memory { capacity_items = 1, eviction = "fifo", shards = 1 }
    return weir.tier { ram, a, b, demote = weir.always }, { a, b }
  end,
  ["tier over a quota for one value a tenant, that demotes"] = function(host)
    local a, b = three(host)
    local top = weir.quota { by = ".", max_tenants = 1,
      default = { capacity = "64KiB", capacity_items = 1, eviction = "fifo" } }
    return weir.tier { top, a, b, demote = weir.always }, { a, b }
  end,
  ["tier with pinned keys"] = function(host)
    local a, b = three(host)
    return weir.tier { a:pin { "a", capacity = "64KiB" }, b }, { a, b }
  end,
  ["tier, write-back"] = function(host)
    local a, b, c = three(host)
    return weir.tier { a, b, c, write = weir.back { after = 0.5 } }, { a, b, c }
  end,
  ["tier, write-back with room for one key"] = function(host)
    local a, b, c = three(host)
    return weir.tier { a, b, c, write = weir.back { after = 2, max_dirty = 300 } },
      { a, b, c }
  end,
  ["tier, write-back over one that admits little"] = function(host)
    local a, b, c = three(host)
    return weir.tier { a, b, c:admit(weir.maxsize(6)), promote = weir.hits(2),
      write = weir.back { after = 0.2 } }, { a, b, c }
  end,
  ["tier of an exclusive pair"] = function(host)
    local a = script.store(host, "s1")
    local ram = weir.memory { capacity_items = 1, eviction = "fifo", shards = 1 }
    return weir.tier { ram, a, demote = weir.always, exclusive = true }, { a }
  end,
  ["tier with admission on top"] = function(host)
    local a, b = three(host)
    return weir.tier { a:admit(weir.prob(0.5)), b }, { a, b }
  end,
  ["mirror, one copy is enough"] = function(host)
    local a, b, c = three(host)
    return weir.mirror { a, b, c, ack = 1 }, { a, b, c }
  end,
  ["mirror, two copies, the fastest, repair"] = function(host)
    local a, b, c = three(host)
    return weir.mirror { a, b, c, ack = 2, read = "fastest", repair = true },
      { a, b, c }
  end,
  ["failover"] = function(host)
    local a, b, c = three(host)
    return weir.failover { a, b, c }, { a, b, c }
  end,
  ["failover by least failures"] = function(host)
    local a, b, c = three(host)
    return weir.failover { a, b, c, order = "least_failures" }, { a, b, c }
  end,
  ["failover by hash"] = function(host)
    local a, b, c = three(host)
    return weir.failover { a, b, c, order = "hash" }, { a, b, c }
  end,
  ["failover of two tries after some statuses, with a budget"] = function(host)
    local a, b, c = three(host)
    return weir.failover { a, b, c, max_tries = 2, budget = 0.3,
      on = { "unavailable", "timeout", "busy" } }, { a, b, c }
  end,
  ["bysize"] = function(host)
    local a, b, c = three(host)
    return weir.bysize { { 3, a }, { 5, b }, c }, { a, b, c }
  end,
  ["shard with replicas"] = function(host)
    local a, b, c = three(host)
    return weir.shard { a, b, c, replicas = 2 }, { a, b, c }
  end,
  ["coalesce, negative and ttl over a tier"] = function(host)
    local a, b = three(host)
    return weir.tier { a, b }:ttl(1e6, { stale = 10 }):negative { ttl = 1e6 }
      :coalesce(), { a, b }
  end,
  ["warmup"] = function(host)
    local a, b = three(host)
    return weir.warmup { a, b }, { a, b }
  end,
  ["migrate, in the middle of it"] = function(host)
    local a, b = three(host)
    return weir.migrate { from = a, to = b, at = os.time() + 20, over = 1e4 },
      { a, b }
  end,
  ["spool"] = function(host)
    local a = script.store(host, "s1")
    return a:spool { "spool", every = 0.5 }, { a }
  end,
  ["spools below and above a tier, with little room"] = function(host)
    local a, b = three(host)
    return weir.tier { a:spool { "a", every = 0.5, max = 250 },
      b:spool { "b", every = 2 } }:spool { "c" }, { a, b }
  end,
  ["spools below a mirror and a shard"] = function(host)
    local a, b, c = three(host)
    local pair = weir.mirror { a:spool { "a" }, b:spool { "b", every = 3 }, ack = 1 }
    return weir.shard { pair, c:spool { "c", every = 0.1 }, replicas = 2 }, { a, b, c }
  end,
  ["chunk over a tier"] = function(host)
    local a, b = three(host)
    return weir.tier { a, b }:chunk(4), { a, b }
  end,
  ["tier over chunks"] = function(host)
    local a, b = three(host)
    return weir.tier { a:chunk(3), b:chunk(4), write = "around" }, { a, b }
  end,
  ["retry over a tier"] = function(host)
    local a, b = three(host)
    return weir.tier { a, b }:retry { 2, budget = false }, { a, b }
  end,
}


-- What a key may hold; nil is written as false.
local function any_of(possible, value)
  return possible[value == nil and false or value] ~= nil
end


local function check_get(store, key, possible, seed)
  local value, err = store:get(key)
  if err then return end
  local text = value and tostring(value)
  if text and not any_of(possible, text) then
    local list = {}
    for v in pairs(possible) do list[#list + 1] = tostring(v) end
    error(("seed %d: %s is %s, which was overwritten; it may be %s"):format(seed, key,
      text, table.concat(list, " or ")), 0)
  end
end


-- Ops that look at the value that is there. Each returns what the key may hold then.
local CHANGES = {}

function CHANGES.add(store, key, possible, n)
  local value = "a" .. n
  local good, err = store:add(key, value)
  if good then return { [value] = true } end
  if err then possible[value] = true end
  return possible
end


function CHANGES.take(store, key, possible)
  local _, err = store:take(key)
  if not err then return { [false] = true } end
  possible[false] = true
  return possible
end


-- The value that was there may have expired.
function CHANGES.append(store, key, possible)
  local length, err = store:append(key, "+")
  local longer = {}
  possible[false] = true
  for value in pairs(possible) do
    local text = (value or "") .. "+"
    if err or #text == length then longer[text] = true end
    if err then longer[value] = true end
  end
  return longer
end


local NAMES = { "add", "take", "append" }

local function step(random, store, key, possible, n)
  if random() < 0.3 then
    local name = NAMES[math.floor(random() * #NAMES) + 1]
    return CHANGES[name](store, key, possible, n)
  elseif random() < 0.6 then
    local value = "v" .. n .. ("x"):rep(math.floor(random() * 5))
    local good = store:set(key, value)
    if good then return { [value] = true } end
    possible[value] = true
  else
    local gone, err = store:delete(key)
    if not err and gone ~= nil then return { [false] = true } end
    possible[false] = true
  end
  return possible
end


local function faulty(random, stores)
  local rate = 0
  for _, store in ipairs(stores) do
    function store.script()
      if random() < rate then return STATUSES[math.floor(random() * #STATUSES) + 1] end
    end
  end
  return function(r) rate = r end
end


local function play(host, tree, stores, seed, disturb)
  local random = fake.generator(seed)
  local set_rate = faulty(random, stores)
  local possible = { a = { [false] = true }, b = { [false] = true } }
  host:main(function()
    for n = 1, 40 do
      disturb(random, set_rate)
      local key = KEYS[math.floor(random() * 2) + 1]
      if random() < 0.5 then
        check_get(tree, key, possible[key], seed)
      else
        possible[key] = step(random, tree, key, possible[key], n)
      end
      if random() < 0.2 then host.sleep(random() * 3) end
    end
    set_rate(0)
    host.sleep(5)
    for _, key in ipairs(KEYS) do check_get(tree, key, possible[key], seed) end
  end)
end


--- One random run of a tree whose stores fail now and then.
function Register.run(build, seed)
  local host = fake.host { seed = seed }
  local tree, stores = build(host)
  play(host, tree, stores, seed, function(random, set_rate)
    set_rate(random() < 0.5 and 0.4 or 0)
  end)
end


--- One random run of a pair of which one or the other is down for a while.
function Register.outages(seed)
  local host = fake.host { seed = seed }
  local build = seed % 2 == 0 and Register.TREES.failover
    or Register.TREES["mirror, one copy is enough"]
  local tree, stores = build(host)
  play(host, tree, stores, seed, function(random)
    if random() < 0.2 then
      local store = stores[math.floor(random() * #stores) + 1]
      store.down = not store.down and "unavailable" or nil
    end
  end)
end


return Register
