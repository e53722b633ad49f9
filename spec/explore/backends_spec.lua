-- Every command over memory, files and Redis, in a session and as a subcommand.
local cjson = require "cjson"
local Server = require "redis_server"
local shell = require "shell"

local WEIR = (os.getenv "WEIR_BUILD" or "build") .. "/weir "

-- What a session is told over each store, called s.
local SCRIPT = [[
local done = s:set_many({ "user:1", "user:2", "bin\0key" }, { "one", "two", "\0\255" })
local done = s:set("soon", ("x"):rep(3000), { ttl = 1000 })
.ls user:* --limit=1
.more
.head "bin\000key"
.hex soon 16
.stat soon
.where user:1
.big "" 1
.du
.explain get user:1
.trace user:1
.tree
.stats
.lat 5 --every=1ms
.hot 1
.bench 64 100
.diff s copy
.cp s copy user: --dry
.cp s copy
.diff s copy --values
s:stat("user:1")
copy:stat("soon").ttl > 900
.fault timeout 1
s:get "user:1"
.heal
s:get "user:1"
s:touch("user:1", 50)
s:stat("user:1").ttl > 40
s:delete "user:1"
s:exists "user:1"
.close copy
.stores
]]

-- Lines that must be there, in this order, whatever the store.
local EXPECTED = {
  ' 3 B +%-  "user:%d"', ' 3 B +%-  "user:%d"',
  '"\\000\\255"\n2 B of 2 B', "2.93 KiB, text, 0.00 bits",
  "00000000  78 78 78", "2.93 KiB %(3000 bytes%), .- to live", "3 B", '"soon"',
  "4 keys, ", '"user:"', "answers: ", "ok ", "\n  get ", "p50 ", "set .-keys/s",
  "get .-keys/s", "delete .-keys/s", "4 only in ", "would copy 2 keys, 6 B",
  "copied 4 keys, 2.94 KiB", "4 the same", "{ size = 3 }\ntrue\n",
  '"one"\ntrue\ntrue\n',
  "true\nfalse\n", "current",
}


-- The first of `patterns` that does not come after those before it, or nil.
local function absent(text, patterns)
  local from = 1
  for _, pattern in ipairs(patterns) do
    local _, last = text:find(pattern, from)
    if not last then return pattern end
    from = last + 1
  end
end


describe("every command", function()
  local folder, server

  setup(function() server = Server.start() end)
  teardown(function() server:close() end)
  before_each(function() folder = shell.folder() end)
  after_each(function() shell.remove(folder) end)

  local function session(url)
    local code, out, err = shell.run(("%s repl s=%s copy=memory")
      :format(WEIR, shell.quote(url)), SCRIPT)
    assert.is_nil(absent(out, EXPECTED), out .. err)
    assert.same({ 3, 1 }, { code, select(2, err:gsub("timeout: ", "")) })
  end

  it("works in a session over memory", function() session "memory" end)
  it("works in a session over files", function() session("fs://" .. folder) end)
  it("works in a session over Redis", function() session(server.url) end)
  it("works in a session over a policy", function()
    shell.write(folder .. "/kv.lua", ("return tier { memory {}, fs { path = %q } }")
      :format(folder .. "/data"))
    session(folder .. "/kv.lua")
  end)

  local function objects(line)
    local code, out, err = shell.run(WEIR .. line .. " --json")
    assert.equal("", err)
    local list = {}
    for object in out:gmatch "[^\n]+" do list[#list + 1] = cjson.decode(object) end
    return list, code
  end

  local function subcommands(url)
    local store = " " .. shell.quote(url) .. " "
    local other = " " .. shell.quote("fs://" .. folder .. "/other") .. " "
    shell.run(WEIR .. "set" .. store .. "user:1 one user:2 two")
    shell.run(WEIR .. "set" .. other .. "else 1")
    assert.same({ { key = "user:1", size = 3, head = "on" } },
      (objects("head" .. store .. "user:1 2")))
    assert.equal("text", objects("hex" .. store .. "user:1")[1].type)
    assert.same({ { key = "user:2", size = 3 } }, (objects("ls" .. store .. "'*2'")))
    shell.run(WEIR .. "set --ttl 1h" .. store .. "soon x")
    assert.matches("^ *1 B +60%.0 min  soon\n$",
      (select(2, shell.run(WEIR .. "ls -l" .. store .. "'so?n'"))))
    assert.same({ { prefix = "user:", keys = 2, bytes = 6 } },
      (objects("du" .. store .. "user:")))
    assert.equal(3, objects("big" .. store .. "user: 1")[1].size)
    assert.equal("first", objects("diff" .. store .. other .. "user:")[1].difference)
    assert.same({ { keys = 2, bytes = 6, failed = 0 } },
      (objects("cp" .. store .. other .. "user:")))
    assert.same({ {}, 0 }, { objects("diff" .. store .. other .. "user:") })
    assert.equal(5, objects("lat" .. store .. "5")[1].n)
    assert.equal(3, objects("where" .. store .. "user:1")[1].size)
    assert.equal("ok", objects("trace" .. store .. "user:1")[1].status)
    assert.is_string(objects("explain" .. store .. "get user:1")[1].why)
    assert.is_string(objects("tree" .. store)[1].name)
    assert.is_table(objects("stats" .. store)[1])
  end

  it("works as a subcommand over files", function()
    subcommands("fs://" .. folder .. "/store")
  end)

  it("works as a subcommand over Redis", function() subcommands(server.url) end)

  it("goes on past keys of another type, names them, and ends with 3", function()
    server:command "flushall"
    shell.run(WEIR .. "set " .. server.url .. " a one b two")
    for i = 1, 7 do server:command("lpush list" .. i .. " x") end
    local other = " fs://" .. folder .. "/other"
    local rest = ".*7 keys could not be read\n"
    for line, found in pairs {
      ["cp URL" .. other] = "copied 2 keys, 6 B, 7 failed\n",
      ["du URL"] = "6 B" .. rest,
      ["diff URL memory"] = '\n< "a"\n' .. rest, ["big URL"] = "6 B" .. rest,
    } do
      local code, out, err = shell.run(WEIR .. line:gsub("URL", server.url))
      assert.equal(3, code)
      assert.matches(found, out .. err)
      assert.equal(5, select(2, err:gsub('weir: "list%d": [^\n]*WRONGTYPE', "")))
    end
    assert.same({ 0, "two", "" }, { shell.run(WEIR .. "get" .. other .. " b") })
    server:command "flushall"
  end)

  it("says which keys of a server weir has none of, and ends a copy with 1",
    function()
      server:command "flushall"
      shell.run(WEIR .. "set " .. server.url .. " a one p:b two")
      local filler = [[eval "return redis.call('set', ARGV[1]..string.rep('x', ARGV[2]),
        'v')" 0]]
      server:command(filler .. " '' 0")
      server:command(filler .. " p: 70000")
      local other = " fs://" .. folder .. "/other"
      local said = " left out, empty or over 65536 bytes long: weir has no such keys\n"
      local code, out, err = shell.run(WEIR .. "cp " .. server.url .. other)
      assert.equal(1, code)
      assert.matches("\ncopied 2 keys, 6 B, 2 left out\n", out)
      assert.equal("weir: 2 keys" .. said, err)
      local url = shell.quote(server.url .. "?prefix=p:")
      code, out, err = shell.run(WEIR .. "cp --dry " .. url .. other)
      assert.equal(1, code)
      assert.matches("\nwould copy 1 key, 3 B, 1 left out\n", out)
      assert.equal("weir: 1 key" .. said, err)
      assert.same({ { keys = 1, bytes = 3, failed = 0, left_out = 1 } },
        { cjson.decode((select(2, shell.run(WEIR .. "cp --json " .. url .. other)))) })
      for line, exit in pairs {
        ["du URL"] = 0, ["ls URL"] = 0, ["diff URL memory"] = 1,
      } do
        code, out, err = shell.run(WEIR .. line:gsub("URL", server.url))
        assert.equal(exit, code, out)
        assert.matches("^weir[ls ]*: 2 keys" .. said, err)
      end
      server:command "flushall"
    end)

  it("copies only what the other store has not, when told", function()
    server:command "flushall"
    shell.run(WEIR .. "set " .. server.url .. " a new b new")
    local other = " fs://" .. folder .. "/other"
    shell.run(WEIR .. "set" .. other .. " a old")
    local line = WEIR .. "cp --skip-existing " .. server.url .. other
    assert.matches("\nwould copy 1 key, 3 B, 1 skipped\n",
      (select(2, shell.run(line .. " --dry"))))
    local code, out, err = shell.run(line)
    assert.same({ 0, "" }, { code, err })
    assert.matches("\ncopied 1 key, 3 B, 1 skipped\n", out)
    assert.same({ 0, "oldnew", "" }, { shell.run(WEIR .. "get" .. other .. " a b") })
    assert.same({ { keys = 0, bytes = 0, failed = 0, skipped = 2 } },
      (objects("cp --skip-existing " .. server.url .. other)))
    code, out = shell.run(WEIR .. "cp " .. server.url .. other)
    assert.equal(0, code)
    assert.matches("\ncopied 2 keys, 6 B\n", out)
    shell.run(WEIR .. "set" .. other .. " a old")
    out = select(2, shell.run(WEIR .. "repl s=" .. server.url .. " o=" .. other:sub(2),
      ".cp s o --skip-existing\n"))
    assert.matches("copied 0 keys, 0 B, 2 skipped", out)
    server:command "flushall"
  end)

  it("ends with 3 and a sentence when the server is not there", function()
    for _, line in ipairs { "head URL a", "du URL", "lat URL 1", "trace URL a" } do
      local code, _, err = shell.run(WEIR .. line:gsub("URL", "redis://127.0.0.1:1/"))
      assert.equal(3, code)
      assert.matches("^weir %l+: redis 127.0.0.1:1: .*refused", err)
    end
  end)
end)


describe("a session whose server goes away", function()
  it("says so once, lives on, and says when it is back", function()
    local server = Server.start()
    finally(function() server:close() end)
    shell.write(server.folder .. "/again", server.line)
    local lines = ([[
      redis:set("a", "1")
      os.execute("redis-cli -s SOCKET shutdown nosave")
      redis:get "a"
      redis:get "a"
      1 + 1
      os.execute("sh FOLDER/again >/dev/null")
      for i = 1, 100 do if redis:exists "a" ~= nil then break end weir.sleep(0.1) end
      redis:get "a"
    ]]):gsub("SOCKET", server.folder .. "/socket"):gsub("FOLDER", server.folder)
    local code, out, err = shell.run(WEIR .. "repl " .. server.url, lines)
    assert.equal(3, code)
    assert.matches("\n2\n", out)
    local _, lost = err:gsub("redis is lost: ", "")
    local _, back = err:gsub("redis answers again", "")
    assert.same({ 1, 1 }, { lost, back })
  end)
end)
