-- weir serve --processes: what clients of Redis Cluster see, beside a redis-server. The
-- life of the processes is in processes_spec.lua.
local Redis = require "weir.app.bench.redis_server"
local Server = require "serve.server"
local Shell = require "shell"


-- The port of the process that owns a slot.
local function port_of(server, slot)
  return server.ports[math.floor(slot * server.n / 16384) + 1]
end


describe("weir serve --processes 3", function()
  local server, redis

  setup(function()
    redis = assert(Redis.start "--cluster-enabled yes")
    server = Server.cluster(3, "'memory://?capacity=64MiB' --pretend-multi")
  end)
  teardown(function()
    server:close()
    redis:stop()
  end)

  local function ask(port, words)
    local _, out, err = Shell.run(("redis-cli -p %d %s"):format(port, words))
    return out .. err
  end

  -- What process i answers.
  local function cli(words, i)
    return ask(server.ports[i or 1], words)
  end

  -- The slots of keys, as Redis has them.
  local function slots_of(keys)
    local slots, words = {}, {}
    for i, key in ipairs(keys) do words[i] = ("cluster keyslot %s\n"):format(key) end
    local _, out = Shell.run("redis-cli -p " .. redis.port, table.concat(words))
    local at = 0
    for slot in out:gmatch "%d+" do
      at = at + 1
      slots[keys[at]] = tonumber(slot)
    end
    return slots
  end

  it("listens at ports that follow each other", function()
    assert.same({ server.port, server.port + 1, server.port + 2 }, server.ports)
  end)

  it("answers MOVED for a key of another process", function()
    local keys = { "a", "b", "c", "x{a}y", "{}a", "{a", "a{}{b}", "{a}{b}" }
    local slots, lines = slots_of(keys), {}
    for _, key in ipairs(keys) do
      lines[#lines + 1] = ("SET %s 1\nGET %s\nPERSIST %s\nDEL %s\nCLUSTER KEYSLOT %s\n")
        :format(key, key, key, key, key)
    end
    for i = 1, 3 do
      local expected = {}
      for _, key in ipairs(keys) do
        local owner = port_of(server, slots[key])
        local moved = ("MOVED %d 127.0.0.1:%d\n\n"):format(slots[key], owner)
        expected[#expected + 1] = owner == server.ports[i] and "OK\n1\n0\n1\n"
          or moved:rep(4)
        expected[#expected + 1] = slots[key] .. "\n"
      end
      local _, out = Shell.run("redis-cli -p " .. server.ports[i], table.concat(lines))
      assert.equal(table.concat(expected), out)
    end
  end)

  it("answers CROSSSLOT for keys of several slots", function()
    local crossed = "CROSSSLOT Keys in request don't hash to the same slot\n\n"
    local _, out = Shell.run("redis-cli -p " .. server.ports[3], [[
MGET a b
MSET a 1 b 2
DEL a b
EXISTS a b
MSET {a}1 1 {a}2 2 b 3
MSET {a}1 1 {a}2 2
MGET {a}1 {a}2
]])
    assert.equal(crossed:rep(5) .. "OK\n1\n2\n", out)
  end)

  it("spoils a MULTI by a key of another process", function()
    local _, out = Shell.run("redis-cli -p " .. server.port,
      "MULTI\nSET b 1\nSET a 1\nEXEC\n")
    assert.matches("OK\nQUEUED\nMOVED 15495 .*EXECABORT", out)
  end)

  it("keeps the replies of a pipeline in order among MOVED", function()
    local lines, expected = {}, {}
    local slots = slots_of { "a", "b", "c" }
    for i = 1, 60 do
      local key = ("abc"):sub(i % 3 + 1, i % 3 + 1)
      local slot = slots[key]
      lines[i] = ("SET %s %d\r\n"):format(key, i)
      expected[i] = key == "b" and "+OK\r\n"
        or ("-MOVED %d 127.0.0.1:%d\r\n"):format(slot, port_of(server, slot))
    end
    local _, out = Shell.run(([[/usr/bin/python3 -c '
import socket, sys
s = socket.create_connection(("127.0.0.1", %d), timeout=30)
s.sendall(sys.stdin.buffer.read())
s.shutdown(socket.SHUT_WR)
while True:
    data = s.recv(65536)
    if not data:
        break
    sys.stdout.buffer.write(data)']]):format(server.port), table.concat(lines))
    assert.equal(table.concat(expected), out)
  end)

  it("has the replies of Redis about a cluster", function()
    Shell.run(("redis-cli -p %d cluster addslotsrange 0 16383"):format(redis.port))
    local function shape(port, words)
      local _, out = Shell.run(("redis-cli --no-raw -p %d %s"):format(port, words))
      return (out:gsub(("%x"):rep(40), "ID"):gsub('"127.0.0.1"', '""')
        :gsub("127%.0%.0%.1", ""):gsub("%d%d+", "N"):gsub("([^%w])%d([^)%w])", "%1N%2")
        :gsub("([^%w])%d([^)%w])", "%1N%2"):gsub("master %- .- connected", "master"))
    end
    for _, words in ipairs { "cluster info", "cluster myid", "readonly", "readwrite",
      "asking", "info cluster", "cluster keyslot", "cluster", "cluster foo",
      "cluster keyslot a" } do
      local theirs = shape(redis.port, words)
      -- The state is ok a while after the slots were given.
      assert.equal(theirs:gsub(":fail", ":ok"), shape(server.port, words), words)
    end
    -- Of three processes the first.
    for words, last in pairs { ["cluster nodes"] = "\n", ["cluster slots"] = "\n2%)",
      ["cluster shards"] = "\n2%)", ["-3 cluster shards"] = "\n2%)" } do
      local ours = shape(server.port, words)
      local one = ours:sub(1, assert(ours:find(last), ours))
      assert.equal(shape(redis.port, words), one)
    end
  end)

  it("refuses by name what it has not", function()
    assert.equal("ERR CLUSTER COUNTKEYSINSLOT is refused: stores have no list of keys "
      .. "by slot; SCAN lists the keys of a process\n\n",
      cli "cluster countkeysinslot 7")
    assert.matches("GETKEYSINSLOT is refused: ", cli "cluster GetKeysInSlot 7 10")
    assert.matches("SETSLOT is refused: slots do not move",
      cli "cluster setslot 7 stable")
    assert.matches("FAILOVER is refused: there are no replicas", cli "cluster failover")
  end)

  it("tells that it is a cluster", function()
    assert.matches("redis_mode:cluster", cli "info server", 1, true)
    assert.matches("cluster_enabled:1", cli "info cluster", 1, true)
    assert.matches("mode\ncluster", cli "hello 2", 1, true)
    assert.equal("cluster-enabled\nyes\n", cli "config get cluster-enabled")
  end)

  it("serves redis-cli -c and redis-cli --cluster", function()
    local _, out = Shell.run("redis-cli -c -p " .. server.port,
      "SET a 1\nSET b 2\nSET c 3\nGET a\nGET b\nGET c\n")
    assert.equal("OK\nOK\nOK\n1\n2\n3\n", (out:gsub("%-> [^\n]*\n", "")))
    local code, said = Shell.run("redis-cli --cluster check 127.0.0.1:" .. server.port)
    assert.equal(0, code)
    assert.matches("All 16384 slots covered", said, 1, true)
  end)

  it("serves redis-benchmark --cluster", function()
    local code, out = Shell.run(("redis-benchmark --cluster -p %d -t set,get -n 6000 "
      .. "-P 16 -q 2>&1 </dev/null"):format(server.port))
    assert.equal(0, code)
    assert.equal(2, select(2, out:gsub("requests per second", "")), out)
    assert.is_nil(out:find "[Ee]rror", out)
  end)

  it("serves redis-py's client of clusters", function()
    local code, out, err = Shell.run(("/usr/bin/python3 spec/serve/cluster.py %d "
      .. "commands 3"):format(server.port))
    assert.equal("0 done\n", ("%d %s%s"):format(code, out, err))
  end)
end)


describe("weir serve", function()
  it("has no cluster with one process", function()
    local server = Server.start "memory://"
    for _, words in ipairs { "cluster info", "readonly", "asking" } do
      assert.matches("This instance has cluster support disabled", server:cli(words),
        1, true)
    end
    assert.matches("cluster_enabled:0", server:cli "info", 1, true)
    server:close()
  end)

  it("tells --announce to clients of --processes", function()
    local server = Server.cluster(2, "memory:// --announce localhost")
    assert.equal(("MOVED 15495 localhost:%d\n\n"):format(server.port + 1),
      server:cli "get a")
    local _, out = Shell.run(("redis-cli -c -p %d set a 1"):format(server.port))
    assert.equal("OK\n", out)
    server:close()
  end)

  it("says what --processes cannot do", function()
    local build = os.getenv "WEIR_BUILD" or "build"
    for words, said in pairs {
      ["--processes 0"] = "'0' is no number of processes from 1 to 256",
      ["--processes x"] = "'x' is no number of processes from 1 to 256",
      ["--processes 2 --listen unix:/tmp/x"] = "takes HOST:PORT or [IPV6]:PORT",
      ["--processes 2 --listen 127.0.0.1:65535"] = "2 processes need 2 ports",
      ["--processes 2 --errors short"] = "needs a server of one process",
      ["--processes 2 --announce 'a b'"] = "'a b' is no host name or address",
    } do
      local line = ("%s/weir serve memory:// %s"):format(build, words)
      local code, _, err = Shell.run(line)
      assert.is_true(code == 2 or code == 3, words)
      assert.matches(said, err, 1, true)
    end
  end)
end)
