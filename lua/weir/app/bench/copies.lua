-- The middle of weir bench policies: what keeps more than one copy of a value. Sets and
-- gets of 1 KiB through a tier and a mirror of two memory stores, in batches of 64 and
-- one by one, in CPU time, beside the same op of one memory store in the same run.
local Reading = require "weir.app.bench.reading"
local weir = require "weir"

local ROUNDS, SIZE = 40, 1024

local VALUE = ("v"):rep(SIZE)


local function memory()
  return weir.memory { capacity = "64MiB" }
end


local function set(store, keys, values)
  if values then return assert(store:set_many(keys, values):all "good") end
  for i = 1, #keys do assert(store:set(keys[i], VALUE)) end
end


local function get(store, keys, values)
  if values then return assert(store:get_many(keys):all "good") end
  for i = 1, #keys do assert(store:get(keys[i])) end
end


-- { name, function that is timed, store; before: called with the keys of each batch
-- first, without being timed }
local function cases()
  local upper, lower = memory(), memory()
  local promoting = weir.tier { upper, lower }
  local function empty(keys) upper:delete_many(keys) end
  return {
    { "tier: set", set, weir.tier { memory(), memory() }, target = "<= 6x" },
    { "tier: get from the second store", get,
      weir.tier { memory(), lower, promote = weir.never }, target = "<= 4x" },
    { "tier: get that is promoted", get, promoting, before = empty,
      target = "<= 10x" },
    { "mirror: set", set, weir.mirror { memory(), memory() } },
  }, lower
end


-- The least time of a key. values: of a batch; nil: one key a call.
local function least(act, store, batches, values, before)
  local best = math.huge
  for _ = 1, ROUNDS do
    local time = 0
    for _, keys in ipairs(batches) do
      if before then before(keys) end
      local begun = os.clock()
      act(store, keys, values)
      time = time + os.clock() - begun
    end
    best = math.min(best, time)
  end
  return best / #batches / #batches[1] * 1e9
end


return function(bench)
  local batches, values = Reading.batches(), {}
  for i = 1, #batches[1] do values[i] = VALUE end
  local list, lower = cases()
  local bare = memory()
  for _, keys in ipairs(batches) do
    set(bare, keys, values)
    set(lower, keys, values)
  end
  for _, case in ipairs(list) do
    local name, act, store = unpack(case)
    bench:row { case = name .. ", per key of 64", unit = "ns",
      figure = least(act, store, batches, values, case.before),
      reference = "bare memory", of = least(act, bare, batches, values),
      target = case.target }
    bench:row { case = name .. ", one key", unit = "ns",
      figure = least(act, store, batches, nil, case.before),
      reference = "bare memory", of = least(act, bare, batches) }
  end
end
