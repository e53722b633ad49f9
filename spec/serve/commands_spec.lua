-- weir serve beside a real redis-server: the same words to both by redis-cli, and the
-- same replies from both.
local Redis = require "weir.app.bench.redis_server"
local Server = require "serve.server"
local Shell = require "shell"

local ALIKE = [[
SET a one
GET a
GET nothing
SET a two EX 100
TTL a
SET a three PX 100000
TTL a
SET a four
TTL a
STRLEN a
STRLEN nothing
EXISTS a a nothing
TYPE a
TYPE nothing
MSET b 1 c 2 d 3
MGET a b nothing c b
MSET b
MSET b 1 c
DEL a b b nothing
UNLINK c c
TOUCH d d x
SETEX e 100 value
TTL e
PSETEX f 100000 value
TTL f
SETEX e 0 value
SETEX e -1 value
SETEX e x value
SET e v EX 0
SET e v EX x
SET e v EX
SET e v EX 10 PX 10
SET e v bogus
SET e v EXAT 99999999999
EXPIRETIME e
EXPIRETIME nothing
TTL nothing
EXPIRE e 200
TTL e
PEXPIRE e 300000
TTL e
EXPIRE nothing 10
EXPIRE e x
EXPIRE e 99999999999999999
EXPIREAT e 99999999999
EXPIRETIME e
PEXPIREAT e 88888888888000
EXPIRETIME e
PERSIST e
TTL e
PERSIST e
PERSIST nothing
EXPIRE e -1
EXISTS e
SET g v
EXPIREAT g 1
GET g
SET g v
SET g w EXAT 1
GET g
SET g w PXAT 1000
GET g
SET g v EXAT 0
SET g v EXAT -1
SET g v NX PXAT 1
GET g
SET g v XX EXAT 1
SET g v
SET g w NX EXAT 1
GET g
SET g w XX EXAT 1
EXISTS g
SET g v
GETEX g EXAT 1
GET g
GETEX g PXAT 1
GETEX d
GETEX nothing
GETEX d EX 100
TTL d
GETEX d PERSIST
TTL d
GETEX d PX 100000
GETEX d
TTL d
GETEX d EX 0
GETEX d EX
GETEX d EX 10 PX 10
GETEX d PERSIST EX 10
GETEX d bogus
GETEX nothing EX 10
GETEX d PERSIST
SET nx 1 NX
SET nx 2 NX
SET nx 2 NX EX 100
GET nx
SET nx 3 XX EX 100
TTL nx
SET nx 4 XX
TTL nx
SET xx 1 XX
GET xx
SET nx 1 NX XX
SETNX nx 5
SETNX nx2 5
SETNX nx2
GETDEL nx
GETDEL nx
GETDEL
INCR n
INCR n
INCRBY n 40
DECR n
DECRBY n 50
INCRBY n x
INCRBY n 1.5
INCRBY n
GET n
EXPIRE n 100
INCR n
TTL n
INCRBY n 9223372036854775807
SET n 9007199254740992
INCR n
DECRBY n 18014398509481986
SET n 9223372036854775807
SET m word
INCR m
DECRBY m 1
APPEND l abc
APPEND l ""
APPEND l def
GET l
STRLEN l
DEL l m n nx2
GET
GET a b
SET a
DEL
EXISTS
nosuch
nosuch with words
PING
PING hello
PING a b
ECHO hello
ECHO
SELECT 0
SELECT 77
SELECT x
SET "empty" ""
GET empty
STRLEN empty
SET "sp ace\n" "a\x00\xff\r\n"
GET "sp ace\n"
CLIENT GETNAME
CLIENT SETNAME fred
CLIENT SETNAME "with blank"
CLIENT REPLY bogus
CLIENT NO-EVICT on
CLIENT NO-EVICT bogus
CLIENT KILL 1.2.3.4:5
CLIENT KILL ID x
CLIENT KILL ID 0
CLIENT KILL ID 999999999
CLIENT KILL TYPE bogus
CLIENT KILL TYPE PUBSUB
CLIENT KILL USER nobody
CLIENT KILL USER
CLIENT KILL ID 999999999 SKIPME bogus
CLIENT LIST TYPE bogus
CLIENT LIST TYPE pubsub
CONFIG GET save
CONFIG GET appendonly
HELLO 9
HELLO x
HELLO 2 AUTH nobody secret
AUTH default secret
AUTH nobody secret
AUTH secret
RESET
DBSIZE
KEYS d*
KEYS nothing*
SCAN 0 MATCH d* COUNT 1000
SCAN x
SCAN 0 COUNT 0
SCAN 0 COUNT x
SCAN 0 MATCH
SCAN 0 TYPE hash
]]

-- A MULTI is as Redis has it where nobody interferes.
local QUEUED = [[
MULTI
SET m 1
GET m
EXEC
EXEC
DISCARD
MULTI
SET m 2
DISCARD
GET m
MULTI
GET
SET m 3
EXEC
GET m
MULTI
EXEC
]]


describe("weir serve beside redis-server", function()
  local redis, weir, folder

  setup(function()
    folder = Shell.folder()
    redis = assert(Redis.start "--databases 3")
    weir = Server.start("memory:// memory:// fs://" .. folder .. " --pretend-multi")
  end)
  teardown(function()
    redis:stop()
    weir:close()
    Shell.remove(folder)
  end)

  -- What both answer to lines, each on one connection.
  local function both(text, database, server)
    local answers = {}
    for i, port in ipairs { redis.port, (server or weir).port } do
      local _, out = Shell.run(("redis-cli --no-raw -p %d -n %d"):format(port,
        database or 0), text)
      -- redis-cli adds the time of a command that took half a second.
      answers[i] = out:gsub("%f[^\n]%(%d+%.%d+s%)\n", "")
    end
    return answers[1], answers[2]
  end

  local function check_alike(database, server)
    local marked = {}
    for line in ALIKE:gmatch "[^\n]+" do
      local name = line:gsub("[\"\\]", "_")
      marked[#marked + 1] = ("ECHO '== %s'\n%s\n"):format(name, line)
    end
    local theirs, ours = both(table.concat(marked), database, server)
    assert.equal(theirs, ours)
    assert.is_true(select(2, ours:gsub("== ", "")) == #marked)
  end

  it("gives the same reply to each command", function() check_alike(0) end)
  it("gives it over a folder, too", function() check_alike(2) end)

  it("gives it through a policy, too", function()
    Shell.write(folder .. "/tree.lua", "return memory {}:coalesce():deadline(20)")
    local server = Server.start(folder .. "/tree.lua --pretend-multi")
    finally(function() server:close() end)
    Shell.run(("redis-cli -p %d flushall"):format(redis.port))
    check_alike(0, server)
  end)

  it("gives the same replies in RESP3", function()
    for _, text in ipairs { "GET nothing\nMGET a nothing\nCONFIG GET save\n",
      "SET h 1\nGET h\nTTL h\nDEL h\nGET h\n" } do
      local theirs, ours = both("HELLO 3\n" .. text)
      -- The greeting names ids.
      assert.equal(theirs:match "modules.*", ours:match "modules.*")
    end
  end)

  it("queues and runs as Redis where nobody interferes", function()
    local theirs, ours = both(QUEUED)
    assert.equal(theirs, ours)
  end)

  it("refuses by name what no store does atomically", function()
    for line, words in pairs {
      ["set a b get"] = "SET with GET is refused",
      ["set a b keepttl"] = "SET with KEEPTTL is refused",
      ["getset a b"] = "GETSET is refused",
      ["incrbyfloat a 1"] = "INCRBYFLOAT is refused",
      ["expire a 10 nx"] = "an option of 'expire' is refused",
      ["lpush a b"] = "LPUSH is refused", ["subscribe x"] = "SUBSCRIBE is refused",
      ["flushall"] = "FLUSHALL is refused", ["watch a"] = "WATCH is refused",
    } do
      assert.matches(words, weir:cli(line), 1, true)
    end
  end)

  -- A store keeps the time that is left: the time of day is off by a little.
  it("tells the time of day of an expiry near what was said", function()
    weir:cli "set timed x pxat 99999999999000"
    local at = tonumber(weir:cli "pexpiretime timed")
    assert.is_true(math.abs(at - 99999999999000) < 5000)
    assert.equal("-2\n", weir:cli "pexpiretime nothing")
  end)

  it("keeps databases apart", function()
    weir:cli "-n 0 set apart zero"
    weir:cli "-n 1 set apart one"
    assert.equal("zero\n", weir:cli "-n 0 get apart")
    assert.equal("one\n", weir:cli "-n 1 get apart")
    assert.matches("out of range", weir:cli "-n 3 get apart")
  end)

  it("tells what INFO's readers look for", function()
    local info = weir:cli "info"
    for _, line in ipairs { "redis_version:7", "role:master", "loading:0",
      "connected_clients:", "used_memory:", "instantaneous_ops_per_sec:",
      "keyspace_hits:", "tcp_port:" .. weir.port, "db0:keys=" } do
      assert.matches(line, info, 1, true)
    end
    assert.matches("^# Replication", weir:cli "info REPLICATION")
    assert.is_nil(weir:cli("info replication"):find "# Memory")
  end)

  it("lists, kills and names clients", function()
    local list = weir:cli("", "client setname fred\nclient list\n")
    assert.matches("name=fred", list, 1, true)
    assert.equal("0\n", weir:cli "client kill id 99999")
    assert.matches("cmd=client", weir:cli "client info")
  end)

  it("tells COMMAND what there is", function()
    local count = tonumber(weir:cli "command count")
    assert.is_true(count > 50)
    for _, words in ipairs { "command", "command info" } do
      local _, n = ("\n" .. weir:cli("--no-raw " .. words)):gsub("\n *%d+%)  1%) ", "")
      assert.equal(count, n, words)
    end
    assert.matches("Returns the value of a key", weir:cli "command docs get", 1, true)
    assert.matches("readonly", weir:cli "command info get")
    assert.matches("(nil)", weir:cli "--no-raw command info nosuch", 1, true)
  end)

  it("has a console", function()
    assert.equal("memory\n", weir:cli "weir tree")
    weir:cli "set traced 1"
    assert.matches("memory .*get .*ok", weir:cli "weir trace traced")
    assert.matches("answers: memory", weir:cli "weir explain get traced", 1, true)
    assert.matches('"items":', weir:cli "weir stats", 1, true)
    assert.matches("WEIR RELOAD", weir:cli "weir help", 1, true)
    assert.matches("no database is a policy file", weir:cli "weir reload", 1, true)
    assert.matches("traced", weir:cli "weir sample 100")
    assert.matches('Did you mean "stats"', weir:cli "weir stat", 1, true)
  end)
end)
