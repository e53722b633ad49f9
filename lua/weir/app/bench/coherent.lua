-- weir bench coherent [ROUNDS]
--
-- For how long 4 workers of nginx, each with memory of its own over one Redis, serve
-- an old value after another client's write was acknowledged, while wrk reads as fast
-- as it can through 8 connections, and through 16. The workers, wrk, Redis and the
-- client that writes share the cores, and a worker that has more requests to answer
-- hears of a write later.
local Redis = require "weir.app.bench.redis_server"
local Workers = require "weir.app.bench.coherent_workers"
local weir = require "weir"
local median = require "weir.app.bench.median"

local SECONDS = 2
local WORKERS = 4
local CONNECTIONS = { { 8, target = "<= 5e6" }, { 16 } }
local rounds = 5


-- A row a quantile: the median of the rounds, and from the least to the most of them.
local function report(bench, connections, figures, rate)
  local load = io.open "/proc/loadavg":read "*l":match "^%S+"
  local note = ("; %d rounds of %d s, %.0f requests/s, load average %s"):format(rounds,
    SECONDS, median(rate), load)
  for _, row in ipairs {
    { "p50", 0.5 }, { "longest", 1 },
    { "p99", 0.99, target = connections.target, note = note },
  } do
    local list = {}
    for i, delays in ipairs(figures) do
      list[i] = delays[math.ceil(#delays * row[2])] * 1e9
    end
    local figure = median(list)
    local case = ("%d nginx workers, %d readers: old value for, %s"):format(WORKERS,
      connections[1], row[1])
    bench:row { case = case, figure = figure, unit = "ns", target = row.target,
      note = ("%.2f to %.2f ms%s"):format(list[1] / 1e6, list[#list] / 1e6,
        row.note or "") }
  end
end


local function measure(bench, workers)
  for _, connections in ipairs(CONNECTIONS) do
    local figures, rate = {}, {}
    for i = 1, rounds do
      figures[i], rate[i] = workers:measure(SECONDS, connections[1])
    end
    report(bench, connections, figures, rate)
  end
end


return function(bench, arguments)
  rounds = tonumber(arguments[1]) or rounds
  local redis = assert(Redis.start())
  local good, err = pcall(function()
    local workers = Workers.start(redis.url, WORKERS)
    local fine, why = pcall(weir.run, function() measure(bench, workers) end)
    local log = workers:stop()
    if not fine then error(("%s\n%s"):format(why, log), 0) end
  end)
  redis:stop()
  if not good then error(err, 0) end
end
