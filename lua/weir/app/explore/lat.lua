-- lat: measures the latency of a store now, with a histogram.
local Exit = require "weir.app.exit"
local Host = require "weir.host"
local Quantity = require "weir.core.quantity"

local WIDTH = 40


-- Counts by powers of two of a microsecond's quarter, from the first used to the
-- last: { floor in seconds, count }.
local function histogram(times)
  local counts, first, last = {}, math.huge, -math.huge
  for _, seconds in ipairs(times) do
    local i = math.floor(math.log(math.max(seconds, 1e-9)) / math.log(2))
    counts[i] = (counts[i] or 0) + 1
    first, last = math.min(first, i), math.max(last, i)
  end
  local list = {}
  for i = first, last do list[#list + 1] = { 2 ^ i, counts[i] or 0 } end
  return list
end


local function draw(view, times)
  local most, rows = 0, {}
  local list = histogram(times)
  for _, entry in ipairs(list) do most = math.max(most, entry[2]) end
  for i, entry in ipairs(list) do
    local bar = ("#"):rep(math.ceil(entry[2] / most * WIDTH))
    rows[i] = { "  " .. Quantity.time(entry[1]), Quantity.count(entry[2]), bar }
  end
  view:table(rows, "rrl")
end


local function at(times, share)
  return times[math.max(1, math.ceil(#times * share))]
end


-- The time of one exists, of a key that is not there.
local function probe(args)
  local key = ("weir:lat:%x"):format(Host.random() * 2 ^ 52)
  local begun = Host.now()
  local _, err = args.store:exists(key, { timeout = args.timeout })
  if err then error(err, 0) end
  return Host.now() - begun
end


local function measure(view, args)
  local times = {}
  view:long(function(tell)
    for i = 1, args.n do
      times[i] = probe(args)
      tell(function()
        return ("%d of %d, last %s"):format(i, args.n, Quantity.time(times[i]))
      end)
      Host.sleep(args.every)
    end
  end)
  table.sort(times)
  return times
end


return {
  name = "lat",
  summary = "Measure the latency of a store.",
  description = "Measure the latency of a store: send one exists after the other, and "
    .. "draw a histogram of the times.",
  stores = 1,
  arguments = {
    { name = "n", kind = "count", default = 100,
      help = "How many requests to send; 100." },
  },
  options = {
    { name = "every", kind = "time", default = 0.01, help = "Pause between; 10ms." },
  },
  run = function(view, args)
    local times = measure(view, args)
    local facts = {
      n = #times, p50 = at(times, 0.5), p90 = at(times, 0.9), p99 = at(times, 0.99),
      max = times[#times],
    }
    view:object(facts)
    view:line("%s: p50 %s, p90 %s, p99 %s, max %s of %d", args.store.name,
      Quantity.time(facts.p50), Quantity.time(facts.p90), Quantity.time(facts.p99),
      Quantity.time(facts.max), #times)
    if not view.json then draw(view, times) end
    return Exit.OK
  end,
}
