-- weir bench cluster
--
-- A Redis Cluster of three masters beside one server, both through the connector and
-- by turns, and beside redis-benchmark --cluster. All on this machine: the nodes share
-- its cores with each other and with the client. So they bound the rate: a program that
-- sends commands made before and discards the replies (examples/bench/cluster.c) shows
-- what they allow.
local Cluster = require "weir.app.bench.redis_cluster"
local Server = require "weir.app.bench.redis_server"
local weir = require "weir"
local Now = require("weir.ffi").C.weir_now
local median = require "weir.app.bench.median"

local ROUNDS = 7
local SECONDS = 0.3
local KEYS = 65536
local TASKS = 2
local MIB = 2 ^ 20


-- Batches of n keys each, in all slots.
local function batches_of(n, keys)
  local batches = {}
  for i = 0, keys / n - 1 do
    batches[i + 1] = {}
    for k = 1, n do batches[i + 1][k] = ("key:%012d"):format(i * n + k) end
  end
  return batches
end


local function fill(store, batches, value)
  local values = {}
  for i = 1, #batches[1] do values[i] = value end
  for _, keys in ipairs(batches) do
    assert(store:set_many(keys, values):all "good", "bench cluster: a set failed")
  end
  return values
end


-- Keys a second of a verb on batches, TASKS of them in flight.
local function rate(batches, verb)
  local start, done, next_one, tasks = Now(), 0, 0, {}
  local function work()
    repeat
      next_one = next_one % #batches + 1
      assert(verb(batches[next_one]):all "good", "bench cluster: a batch failed")
      done = done + #batches[1]
    until tonumber(Now() - start) > SECONDS * 1e9
  end
  for i = 1, TASKS do tasks[i] = weir.spawn(work) end
  for i = 1, TASKS do assert(weir.join(tasks[i])) end
  return done * 1e9 / tonumber(Now() - start)
end


-- The median time of a get of one key.
local function latency(store, keys)
  local times, start, i = {}, Now(), 0
  repeat
    i = i % #keys + 1
    local begun = Now()
    assert(store:get(keys[i]), "bench cluster: a get failed")
    times[#times + 1] = tonumber(Now() - begun)
  until tonumber(Now() - start) > SECONDS * 1e9
  return median(times)
end


-- What fn says of each contestant, by turns.
local function by_turns(contestants, fn)
  local figures = {}
  for i = 1, #contestants do figures[i] = {} end
  for round = 1, ROUNDS do
    for turn = 1, #contestants do
      local which = (turn + round) % #contestants + 1
      figures[which][round] = fn(contestants[which])
    end
  end
  for i = 1, #contestants do figures[i] = median(figures[i]) end
  return unpack(figures)
end


local function redis_benchmark(cluster, verb)
  local line = ("redis-benchmark --cluster -p %d -P 16 -t %s -n 300000 -d 64 -r %d -q "
    .. "2>/dev/null"):format(cluster.nodes[1].port, verb, KEYS)
  local pipe = assert(io.popen(line))
  local text = pipe:read "*a"
  pipe:close()
  return tonumber(text:match "([%d.]+) requests per second")
end


-- The keys a second that the nodes answer to a client that costs nearly nothing.
local function nodes_alone(bench, cluster, verb)
  local words, figure = { verb, "256", tostring(KEYS), tostring(SECONDS) }, nil
  for port, slots in cluster:command(cluster.nodes[1], "cluster nodes")
    :gmatch ":(%d+)@[^\n]*connected ([^\n]*)" do
    for first, last in slots:gmatch "(%d+)%-(%d+)" do
      words[#words + 1] = ("%s:%s:%s"):format(port, first, last)
    end
  end
  bench.measure("cluster", words, function(row) figure = row.figure end)
  return figure
end


local function small(bench, stores, cluster)
  local batches = batches_of(256, KEYS)
  local values
  for _, store in ipairs(stores) do values = fill(store, batches, ("v"):rep(64)) end
  redis_benchmark(cluster, "set")
  for _, verb in ipairs { "get", "set" } do
    local contestants = { stores[1], stores[2], stores[3], "nodes alone" }
    local figure, of, single, alone = by_turns(contestants, function(store)
      if store == "nodes alone" then return nodes_alone(bench, cluster, verb) end
      return rate(batches, function(keys)
        if verb == "get" then return store:get_many(keys) end
        return store:set_many(keys, values)
      end)
    end)
    local others = {}
    for i = 1, 3 do others[i] = redis_benchmark(cluster, verb) end
    local case = "64 B, batch 256, " .. verb .. ", 3 nodes"
    bench:row { case = case, figure = figure, unit = "keys/s",
      reference = "one server", of = of, target = ">= 0.8x" }
    -- A command has keys of one slot: there is no MGET or MSET for such a batch.
    bench:row { case = case, figure = figure, unit = "keys/s",
      reference = "one server, multi=false", of = single }
    bench:row { case = case, figure = figure, unit = "keys/s",
      reference = "the nodes alone", of = alone }
    bench:row { case = case .. " alone", figure = alone, unit = "keys/s",
      reference = "one server", of = of }
    bench:row { case = case, figure = figure, unit = "keys/s",
      reference = "redis-benchmark -P 16", of = median(others), target = ">= 1.5x" }
  end
  local keys = {}
  for i = 1, 256 do keys[i] = batches[i][i] end
  local figure, of = by_turns(stores, function(store) return latency(store, keys) end)
  bench:row { case = "64 B, one key a call, get, p50", figure = figure, unit = "ns",
    reference = "one server", of = of, target = "<= 1.2x" }
end


local function large(bench, stores)
  local batches = batches_of(16, 128)
  for _, store in ipairs(stores) do fill(store, batches, ("v"):rep(MIB)) end
  local figure, of = by_turns(stores, function(store)
    return rate(batches, function(keys) return store:get_many(keys) end)
  end)
  bench:row { case = "1 MiB, batch 16, get, 3 nodes", figure = figure, unit = "keys/s",
    reference = "one server", of = of, target = ">= 0.9x" }
end


return function(bench)
  local cluster, server = assert(Cluster.start(3, 0)), assert(Server.start())
  local good, err = pcall(weir.run, function()
    local stores = { weir.open(cluster.url), weir.open(server.url),
                     weir.open(server.url, { multi = false }) }
    small(bench, stores, cluster)
    large(bench, stores)
    for _, store in ipairs(stores) do store:close() end
  end)
  server:stop()
  cluster:stop()
  if not good then error(err, 0) end
end
