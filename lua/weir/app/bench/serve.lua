-- weir bench serve [PART OF A CASE'S NAME] [ROUNDS]
--
-- weir serve beside redis-server: the same redis-benchmark to both, by turns; server
-- and client share the machine. Cases as a proxy have nutcracker for a reference. The
-- note compares the CPU of the servers, which other work on the machine changes less
-- than rates.
local Redis = require "weir.app.bench.redis_server"
local Servers = require "weir.app.bench.serve_server"
local median = require "weir.app.bench.median"

local rounds = 5

-- -r bounds what the servers store.
local CASES = {
  { name = "64 B, -P 1", words = "-d 64 -r 100000", n = 60000, target = ">= 0.9x" },
  { name = "64 B, -P 16", words = "-d 64 -r 100000 -P 16", n = 600000,
    target = ">= 1.0x" },
  { name = "64 B, -P 128", words = "-d 64 -r 100000 -P 128", n = 1200000,
    target = ">= 1.2x" },
  { name = "many of 64", ops = { "mset64", "mget64" }, words = "-r 10000", n = 15000,
    target = ">= 1.2x" },
  { name = "tier, -P 16", ops = { "get" }, words = "-d 64 -r 10000 -P 16", n = 400000,
    target = ">= 0.8x", server = "tier" },
  { name = "tier, 1 key in 8 missing, -P 16", ops = { "get" },
    words = "-d 64 -r 10000 -P 16", n = 400000, server = "tier", gap = 8 },
  { name = "64 KiB", words = "-d 65536 -r 100", n = 10000, target = ">= 1.0x" },
  { name = "1 MiB", words = "-d 1048576 -r 20", n = 1500, target = ">= 1.0x" },
  { name = "p99 of PING while 50 clients move 1 MiB", run = "pings", target = "<= 1x" },
  { name = "proxy, 64 B, -P 16", words = "-d 64 -r 100000 -P 16", n = 300000,
    target = ">= 1.5x", server = "proxy", reference = "nutcracker" },
  { name = "proxy, 4 KiB, -P 16", words = "-d 4096 -r 10000 -P 16", n = 60000,
    target = ">= 1.5x", server = "proxy", reference = "nutcracker" },
}

local TIER = [[
local ram = memory { capacity = "64MiB" }
return tier { ram, fs { path = "FOLDER/disk", capacity = "1GiB" } }
  :coalesce() :deadline(1)
]]


local function benchmark(port, words)
  local line = ("redis-benchmark -p %d --csv %s 2>/dev/null"):format(port, words)
  local pipe = assert(io.popen(line))
  local text = pipe:read "*a"
  pipe:close()
  return text
end


local function command(op)
  local many = op:match "^m%a+64$" and {} or nil
  for i = 1, many and 64 or 0 do
    local key = ("k%d:__rand_int__"):format(i % 4)
    many[i] = op == "mset64" and key .. " " .. ("x"):rep(64) or key
  end
  return many and op:match "^m%a%a%a" .. " " .. table.concat(many, " ") or "-t " .. op
end


-- Requests a second of redis-benchmark, and the seconds of CPU that the server took.
local function rate(server, case, op)
  local before = Servers.cpu(server.pid)
  local text = benchmark(server.port, ("-c 50 -n %d %s %s"):format(case.n, case.words,
    command(op)))
  local figure = text:match '\n".-","([%d.]+)"'
  if not figure then error("bench serve: redis-benchmark says: " .. text, 0) end
  return tonumber(figure), Servers.cpu(server.pid) - before
end


local function compare(bench, case, ours, theirs)
  for _, op in ipairs(case.ops or { "set", "get" }) do
    local mine, its, my_cpu, its_cpu = {}, {}, {}, {}
    for i = 1, rounds do
      its[i], its_cpu[i] = rate(theirs, case, op)
      mine[i], my_cpu[i] = rate(ours, case, op)
    end
    bench:row {
      case = ("%s, %s"):format(case.name, op), figure = median(mine),
      unit = "requests/s", reference = case.reference or "redis-server",
      of = median(its), target = case.target,
      note = ("CPU %.2fx"):format(median(my_cpu) / math.max(median(its_cpu), 0.01)),
    }
  end
end


-- Nanoseconds of the 99th percentile of PING while others move 1 MiB.
local function ping(port)
  local load = assert(io.popen(("timeout 4 redis-benchmark -p %d -c 50 -d 1048576 "
    .. "-r 20 -n 1000000 -t set,get -q 2>&1"):format(port)))
  os.execute "sleep 1"
  local text = benchmark(port, "-c 1 -n 300 -t ping_mbulk")
  load:read "*a"
  load:close()
  local figures = {}
  for figure in text:match '\n".-",(.*)':gmatch '"([%d.]+)"' do
    figures[#figures + 1] = tonumber(figure)
  end
  return figures[6] * 1e6
end


local function pings(bench, case, ours, theirs)
  local mine, its = {}, {}
  for i = 1, rounds do
    its[i] = ping(theirs.port)
    mine[i] = ping(ours.port)
  end
  bench:row {
    case = case.name, figure = median(mine), unit = "ns", reference = "redis-server",
    of = median(its), target = case.target,
  }
end


-- The servers of a case: ours, the reference; each is put into `started`, too. nil:
-- there is no nutcracker.
local function start(case, started)
  local redis = assert(Redis.start())
  table.insert(started, function() redis:stop() end)
  if case.server == "proxy" then
    local other, why = Servers.nutcracker(redis.port)
    if not other then
      io.stderr:write("bench serve: ", why, "\n")
      return nil
    end
    table.insert(started, other.stop)
    local ours = Servers.weir(redis.url)
    table.insert(started, ours.stop)
    return ours, other
  end
  local ours = case.server == "tier" and Servers.weir(nil, TIER)
    or Servers.weir "memory://?capacity=1GiB"
  table.insert(started, ours.stop)
  return ours, redis
end


-- Stores the keys that redis-benchmark reads with -r; of each `gap` keys one is left
-- out. A few at once, and again on an error: a slow disk takes longer than the deadline
-- of the tier for all of them.
local AT_ONCE, ATTEMPTS = 250, 20

local function fill(server, keys, gap)
  local text = ("x"):rep(64)
  for first = 0, keys - 1, AT_ONCE do
    local line = ([[seq %d %d | awk '%s {printf "SET key:%%012d %s\r\n", $1}' |
      redis-cli -p %d --pipe 2>/dev/null]]):format(first, first + AT_ONCE - 1,
      gap and "$1 % " .. gap or "", text, server.port)
    local said
    for _ = 1, ATTEMPTS do
      local pipe = assert(io.popen(line))
      said = pipe:read "*a"
      pipe:close()
      if said:find "errors: 0," then break end
    end
    if not said:find "errors: 0," then
      error("bench serve: not all keys could be stored: " .. said, 0)
    end
  end
end


local function measure(bench, case, started)
  local ours, theirs = start(case, started)
  if not ours then return end
  if case.server == "tier" then
    for _, server in ipairs { ours, theirs } do fill(server, 10000, case.gap) end
  end
  local what = case.run and pings or compare
  what(bench, case, ours, theirs)
end


local function run(bench, case)
  local started = {}
  local good, err = pcall(measure, bench, case, started)
  while #started > 0 do table.remove(started)() end
  if not good then error(err, 0) end
end


return function(bench, arguments)
  math.randomseed(os.time())
  rounds = tonumber(arguments[2]) or rounds
  for _, case in ipairs(CASES) do
    if case.name:find(arguments[1] or "", 1, true) then run(bench, case) end
  end
end
