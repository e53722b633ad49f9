-- weir bench cluster
--
-- A Redis Cluster of three masters beside one server, both through the connector, and
-- beside redis-benchmark --cluster. All on this machine: the nodes share its cores with
-- each other and with the client, so they bound the rate. examples/bench/cluster.c
-- shows that bound: it sends commands that were made before, and discards the replies.
-- A note tells the CPU time of a key.
--
-- Each row has rounds of its own. In a round the two sides run one after the other,
-- since a machine's speed drifts. The row is the round with the median ratio.
local Cluster = require "weir.app.bench.redis_cluster"
local Server = require "weir.app.bench.redis_server"
local weir = require "weir"
local Now = require("weir.ffi").C.weir_now
local median = require "weir.app.bench.median"

local ROUNDS = 5
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


-- Runs a verb on batches, TASKS of them at a time. Returns the keys a second and the
-- number of keys.
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
  return done * 1e9 / tonumber(Now() - start), done
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


-- What two functions return in the round whose ratio is the median. They take turns to
-- be the first.
local function duel(one, other)
  local rounds = {}
  for i = 1, ROUNDS do
    local figure, of
    if i % 2 == 0 then of = other() end
    figure = one()
    of = of or other()
    rounds[i] = { figure = figure, of = of }
  end
  table.sort(rounds, function(a, b) return a.figure / a.of < b.figure / b.of end)
  local middle = rounds[(ROUNDS + 1) / 2]
  return middle.figure, middle.of
end


-- The CPU time that processes have used, in seconds.
local function cpu_time(pids)
  local ticks = 0
  for _, pid in ipairs(pids) do
    local file = assert(io.open(("/proc/%d/stat"):format(pid)))
    local user, system = file:read("*a")
      :match("%) %S+" .. (" %S+"):rep(10) .. " (%d+) (%d+)")
    file:close()
    ticks = ticks + tonumber(user) + tonumber(system)
  end
  return ticks / 100
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


-- A side: a store, and the processes of its servers. rate counts in its costs.
local function side_of(store, pids)
  return { store = store, pids = pids, keys = 0, client = 0, servers = 0 }
end


local function rate_of(side, batches, verb)
  local servers, client = cpu_time(side.pids), os.clock()
  local figure, keys = rate(batches, verb)
  side.client = side.client + os.clock() - client
  side.servers = side.servers + cpu_time(side.pids) - servers
  side.keys = side.keys + keys
  return figure
end


-- A sentence with the CPU time of a key on both sides. Its last figure is the ratio of
-- rates if the CPU were the only limit, and the client of the cluster cost no more than
-- that of one server.
local function costs(cluster, one)
  local function of(side)
    return side.client / side.keys * 1e9, side.servers / side.keys * 1e9
  end
  local client, nodes = of(cluster)
  local client_of_one, server = of(one)
  return ("CPU time a key: client %.0f ns + nodes %.0f ns; one server: client %.0f ns "
    .. "+ server %.0f ns; at most %.2fx with the client of one server"):format(client,
    nodes, client_of_one, server, (client_of_one + server) / (client_of_one + nodes))
end


local function small_verb(bench, sides, cluster, verb, batches, values)
  local case = "64 B, batch 256, " .. verb .. ", 3 nodes"
  local function run(side)
    return rate_of(side, batches, function(keys)
      if verb == "get" then return side.store:get_many(keys) end
      return side.store:set_many(keys, values)
    end)
  end
  local function weir_cluster() return run(sides[1]) end
  local function alone() return nodes_alone(bench, cluster, verb) end
  local function row(reference, other, target)
    local figure, of = duel(weir_cluster, other)
    bench:row { case = case, figure = figure, unit = "keys/s", reference = reference,
      of = of, target = target }
  end

  local figure, of = duel(weir_cluster, function() return run(sides[2]) end)
  bench:row { case = case, figure = figure, unit = "keys/s", reference = "one server",
    of = of, target = ">= 0.8x", note = costs(sides[1], sides[2]) }
  -- A command has keys of one slot: there is no MGET or MSET for such a batch.
  row("one server, multi=false", function() return run(sides[3]) end)
  row("the nodes alone", alone)
  figure, of = duel(alone, function() return run(sides[2]) end)
  bench:row { case = case .. " alone", figure = figure, unit = "keys/s",
    reference = "one server", of = of }
  row("redis-benchmark -P 16", function() return redis_benchmark(cluster, verb) end,
    ">= 1.5x")
end


local function small(bench, stores, cluster, server)
  local batches, pids = batches_of(256, KEYS), {}
  for i, node in ipairs(cluster.nodes) do pids[i] = node.pid end
  local values
  for _, store in ipairs(stores) do values = fill(store, batches, ("v"):rep(64)) end
  redis_benchmark(cluster, "set")
  for _, verb in ipairs { "get", "set" } do
    local sides = { side_of(stores[1], pids), side_of(stores[2], { server.pid }),
                    side_of(stores[3], { server.pid }) }
    small_verb(bench, sides, cluster, verb, batches, values)
  end
  local keys = {}
  for i = 1, 256 do keys[i] = batches[i][i] end
  local figure, of = duel(function() return latency(stores[1], keys) end,
    function() return latency(stores[2], keys) end)
  bench:row { case = "64 B, one key a call, get, p50", figure = figure, unit = "ns",
    reference = "one server", of = of, target = "<= 1.2x" }
end


local function large(bench, stores)
  local batches = batches_of(16, 128)
  for _, store in ipairs(stores) do fill(store, batches, ("v"):rep(MIB)) end
  local function run(store)
    return function()
      return (rate(batches, function(keys) return store:get_many(keys) end))
    end
  end
  local figure, of = duel(run(stores[1]), run(stores[2]))
  bench:row { case = "1 MiB, batch 16, get, 3 nodes", figure = figure, unit = "keys/s",
    reference = "one server", of = of, target = ">= 0.9x" }
end


return function(bench)
  local cluster, server = assert(Cluster.start(3, 0)), assert(Server.start())
  local good, err = pcall(weir.run, function()
    local stores = { weir.open(cluster.url), weir.open(server.url),
                     weir.open(server.url, { multi = false }) }
    small(bench, stores, cluster, server)
    large(bench, stores)
    for _, store in ipairs(stores) do store:close() end
  end)
  server:stop()
  cluster:stop()
  if not good then error(err, 0) end
end
