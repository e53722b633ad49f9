-- The end of weir bench policies: a stack of ten different words beside the sum of what
-- each of them adds to the store at its foot, in the same run. Once over a memory with
-- a meter, so that all is answered in place, and once over a memory with a retry, which
-- may wait: then words such as limit run what is below them in a task of its own.
local Reading = require "weir.app.bench.reading"
local weir = require "weir"

local TARGET = "<= 1.5x"

local WORDS = {
  function(store) return store:prefix "ns/" end,
  function(store) return store:timeout(1) end,
  function(store) return store:breaker {} end,
  function(store) return store:limit { 1000 } end,
  function(store) return store:pin { "x/", capacity = "1MiB" } end,
  function(store) return store:negative { ttl = 1 } end,
  function(store) return weir.route { ["key-"] = store, ["x/"] = weir.null {} } end,
  function(store) return store:ttl(60) end,
  function(store) return store:coalesce() end,
  function(store) return store:deadline(2) end,
}


local function least(of)
  local time = math.huge
  for _ = 1, Reading.ROUNDS do time = math.min(time, Reading.batched(of)) end
  return { time, Reading.single(of) }
end


-- The times of a store, in batches and one by one.
local function times(store, batches)
  local found = least(Reading.of(store, batches))
  store:close()
  return found
end


local function compare(bench, name, foot)
  local batches = Reading.batches()
  local base = times(foot(), batches)
  local sum = { base[1], base[2] }
  local stack = foot()
  for _, word in ipairs(WORDS) do
    local one = times(word(foot()), batches)
    for i = 1, 2 do sum[i] = sum[i] + math.max(one[i] - base[i], 0) end
    stack = word(stack)
  end
  local all = times(stack, batches)
  for i, how in ipairs { "per key of 64", "one key" } do
    bench:row { case = ("ten words over %s, %s"):format(name, how), figure = all[i],
      unit = "ns", reference = "sum of parts", of = sum[i], target = TARGET }
  end
end


return function(bench)
  compare(bench, "a meter", function() return weir.memory {}:meter "m" end)
  compare(bench, "a retry", function() return weir.memory {}:retry { 2 } end)
end
