-- weir serve answers hits of a tree's first store by itself. Clients and statistics
-- must not notice: the same commands go to the same tree below a word that has no fast
-- path.
local Server = require "serve.server"
local Shell = require "shell"


-- Pipelines of 1 to 20 commands over few keys: sets, deletes, gets of what may be gone,
-- keys twice in one MGET. Each as it goes to redis-cli --pipe's protocol.
local function commands(random, n)
  local lines = {}
  for i = 1, n do
    local key, other = "k" .. random(40), "k" .. random(40)
    lines[i] = ({
      function() return ("SET %s %s"):format(key, ("v"):rep(random(99))) end,
      function() return "DEL " .. key end,
      function() return ("MGET %s %s %s none"):format(key, other, key) end,
      function() return "STRLEN " .. key end,
    })[({ 1, 2, 3, 4 })[random(12)] or 0]
    lines[i] = lines[i] and lines[i]() or "GET " .. key
  end
  return table.concat(lines, "\r\n") .. "\r\n"
end


-- The replies to commands in one pipeline, by a socket of Python's.
local TALK = [[
import socket, sys
port, db = int(sys.argv[1]), sys.argv[2]
s = socket.create_connection(("127.0.0.1", port), 30)
s.sendall(b"select " + db.encode() + b"\r\n" + sys.stdin.buffer.read() + b"quit\r\n")
out = b""
while True:
    part = s.recv(1 << 20)
    if not part:
        break
    out += part
sys.stdout.buffer.write(out)
]]


describe("the fast path of weir serve", function()
  local folder, server

  before_each(function() folder = Shell.folder() end)
  after_each(function()
    if server then server:close() end
    server = nil
    Shell.remove(folder)
  end)

  local function policy(name, text)
    local path = ("%s/%s.lua"):format(folder, name)
    Shell.write(path, (text:gsub("@", folder .. "/" .. name)))
    return path
  end

  local function talk(db, input)
    Shell.write(folder .. "/talk.py", TALK)
    Shell.write(folder .. "/input", input)
    local line = ("/usr/bin/python3 %s/talk.py %d %d <%s/input"):format(folder,
      server.port, db, folder)
    local _, out, err = Shell.run(line, nil, 60)
    assert.equal("", err)
    return out
  end

  -- What a tree has counted by key, without times, in lines.
  local function counted(db, path)
    local text = server:cli(("-n %d weir stats '%s'"):format(db, path))
    local get = text:match '"get":(%b{})' or ""
    return { keys = get:match '"keys":(%d+)', bytes = get:match '"bytes":(%d+)',
      status = get:match '"status":(%b{})', hits = text:match '"hits":(%b[])',
      misses = text:match '"misses":(%b[])', led = text:match '"led":(%d+)' }
  end

  it("changes neither replies nor statistics", function()
    local tree = [[local t = tier { memory { capacity = "16MiB" },
      fs { path = "@", sync = "none" } } :coalesce() :deadline(20) ]]
    server = Server.start(("%s %s"):format(policy("fast", tree .. "return t"),
      policy("slow", tree .. "return t:tap(function() end)")))
    local seed = os.time()
    math.randomseed(seed)
    for _ = 1, 4 do
      local input = commands(math.random, 500)
      assert.equal(talk(1, input), talk(0, input), "seed " .. seed)
      -- Copies are made upwards in the background.
      server:wait(function()
        return server:info "requests_waiting" == "1"
      end)
    end
    assert.is_true(tonumber(server:info "fast_path_hits") > 200)
    for _, path in ipairs { "coalesce", "coalesce.tier" } do
      assert.same(counted(1, "deadline." .. path), counted(0, path), "seed " .. seed)
    end
    assert.is_truthy(counted(0, "coalesce.tier").hits)
    assert.is_truthy(counted(0, "coalesce").led)
    assert.equal(counted(0, "coalesce").keys, counted(0, "deadline").keys)
    local memory = counted(0, "coalesce.tier[1].memory")
    assert.same(counted(1, "deadline.coalesce.tier[1].memory"), memory)
  end)

  it("keeps the order of a pipeline", function()
    server = Server.start(policy("kv", [[return tier { memory {},
      fs { path = "@", sync = "none" } } :coalesce()]]))
    local input, expected = {}, { "+OK\r\n" }
    for i = 1, 300 do
      local value = ("%d"):format(i)
      input[#input + 1] = ("set k %s\r\nget k\r\nget k\r\ndel k\r\nget k\r\n"):format(
        value)
      local bulk = ("$%d\r\n%s\r\n"):format(#value, value)
      expected[#expected + 1] = "+OK\r\n" .. bulk .. bulk .. ":1\r\n$-1\r\n"
    end
    expected[#expected + 1] = "+OK\r\n"
    assert.equal(table.concat(expected), talk(0, table.concat(input)))
    assert.is_true(tonumber(server:info "fast_path_hits") > 0)
  end)

  it("follows WEIR RELOAD and WEIR UNDO, also to another store", function()
    local path = policy("kv", [[return memory { capacity = "8MiB" } :coalesce()]])
    server = Server.start(path)
    assert.equal("OK\n", server:cli "set k one")
    assert.equal("one\n", server:cli "get k")
    local hits = server:info "fast_path_hits"
    assert.equal("1", hits)
    policy("kv", [[return memory { capacity = "9MiB" } :prefix "p/" :coalesce()]])
    assert.equal("OK\n", server:cli "weir reload")
    assert.equal("\n", server:cli "get k")
    assert.equal("OK\n", server:cli "set k two")
    assert.equal("two\n", server:cli "get k")
    assert.equal(hits, server:info "fast_path_hits")
    assert.equal("OK\n", server:cli "weir undo")
    assert.equal("one\n", server:cli "get k")
    assert.equal("2", server:info "fast_path_hits")
    assert.matches("ok\n.*memory", server:cli "weir trace k")
  end)

  it("answers what is in the first store while the one below hangs", function()
    server = Server.start(policy("kv", [[return tier { memory {},
      byop { get = fault { target = "memory", delay = "1h" }, default = memory {} } }
      :deadline("300ms")]]))
    assert.equal("OK\n", server:cli "set k v")
    local out = talk(0, "get k\r\nmget k none\r\nget k\r\n")
    assert.matches("^%+OK\r\n%$1\r\nv\r\n%-[^\r]*\r\n%$1\r\nv\r\n%+OK\r\n$", out)
  end)
end)
