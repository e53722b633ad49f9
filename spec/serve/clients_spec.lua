-- Real clients of Redis on a weir serve: redis-cli in its modes, redis-benchmark,
-- redis-py, lua-resty-redis in an nginx. hiredis is in spec/serve/hiredis.c, weir's own
-- connector in contract_spec.lua.
local Nginx = require "weir.app.bench.nginx"
local Server = require "serve.server"
local Shell = require "shell"
local Tmux = require "tmux"
local http = require "host.http"

local POLICY = [[return tier { memory { capacity = "64MiB" },
  memory { capacity = "256MiB", inline = false } } :coalesce() :deadline(20)]]

local RESTY = [[
  location /resty { content_by_lua_block {
    local redis = require("nginx.redis"):new()
    redis:set_timeout(20000)
    assert(redis:connect("127.0.0.1", %d))
    assert(redis:set("resty", "value") == "OK")
    assert(redis:get "resty" == "value")
    assert(redis:get "resty nothing" == ngx.null)
    redis:init_pipeline()
    for i = 1, 1000 do redis:set("resty" .. i, i) end
    for i = 1, 1000 do redis:get("resty" .. i) end
    redis:incrbyfloat("resty", 1)
    local replies = assert(redis:commit_pipeline())
    assert(replies[1000] == "OK" and replies[2000] == "1000")
    assert(replies[2001][1] == false and replies[2001][2]:find "INCRBYFLOAT is refused")
    ngx.print "done"
  } }]]


describe("weir serve serves", function()
  local folder, server

  setup(function()
    folder = Shell.folder()
    Shell.write(folder .. "/kv.lua", POLICY)
    server = Server.start(folder .. "/kv.lua memory:// --pretend-multi")
  end)
  teardown(function()
    server:close()
    Shell.remove(folder)
  end)

  it("redis-cli --pipe", function()
    local parts = {}
    for i = 1, 20000 do
      local key, value = "pipe:" .. i, "value" .. i
      parts[i] = ("*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n"):format(#key, key,
        #value, value)
    end
    local out = server:cli("--pipe", table.concat(parts), 60)
    assert.matches("errors: 0, replies: 20000", out, 1, true)
    assert.equal("value20000\n", server:cli "get pipe:20000")
  end)

  it("CLIENT SETINFO, and says how long a name may be", function()
    for field, most in pairs { ["lib-name"] = 63, ["lib-ver"] = 31 } do
      local command = "client setinfo " .. field .. " "
      assert.equal("OK\n", server:cli(command .. ("x"):rep(most)))
      assert.equal(("ERR a name has at most %d bytes\n\n"):format(most),
        server:cli(command .. ("x"):rep(most + 1)))
    end
  end)

  it("redis-cli --scan", function()
    local out = server:cli "--scan --pattern 'pipe:1*'"
    local seen, n = {}, 0
    for key in out:gmatch "[^\n]+" do
      if not seen[key] then n = n + 1 end
      seen[key] = true
    end
    assert.equal(11111, n)
  end)

  it("redis-cli --bigkeys", function()
    server:cli("-n 1 -x set large", ("x"):rep(100000))
    server:cli "-n 1 set small 1"
    local out = server:cli "-n 1 --bigkeys"
    assert.matches('Biggest string found .*"large".* has 100000 bytes', out)
  end)

  it("redis-cli --memkeys", function()
    local out = server:cli "-n 1 --memkeys"
    assert.matches('Biggest string found .*"large".* has 100005 bytes', out)
  end)

  it("redis-cli --hotkeys with the refusal of Redis", function()
    assert.matches("Error: ERR An LFU maxmemory policy is not selected",
      server:cli "-n 1 --hotkeys", 1, true)
  end)

  it("a person at redis-cli", function()
    local terminal = Tmux.start("redis-cli -p " .. server.port,
      { REDISCLI_HISTFILE = "/dev/null" })
    local place = "127.0.0.1:" .. server.port
    -- The screen ends with a reply and the next prompt.
    local function expect(reply, prompt)
      local last = reply .. "\n" .. (prompt or place .. ">")
      terminal:wait_for(function(screen) return screen:sub(-#last) == last end, last)
    end
    terminal:wait(">$")
    for _, step in ipairs { { 'set typed "two words"', "OK" },
      { "get typed", '"two words"' }, { "get untyped", "(nil)" },
      { "lpush typed 1", "(error) ERR LPUSH is refused: weir stores strings only" },
      { "3 ping", "PONG\nPONG\nPONG" },
      { "echo", "(error) ERR wrong number of arguments for 'echo' command" },
      { "select 1", "OK", place .. "[1]>" } } do
      terminal:enter(step[1])
      expect(step[2], step[3])
    end
    terminal:enter "quit"
    terminal:wait "exit code: 0"
    terminal:close()
  end)

  it("weir get and weir set of a redis:// URL", function()
    local build = os.getenv "WEIR_BUILD" or "build"
    local line = "%s/weir set %s/1 url 'by url' && %s/weir get %s/1 url"
    local code, out = Shell.run(line:format(build, server.url, build, server.url))
    assert.equal(0, code)
    assert.matches("by url", out, 1, true)
    assert.equal("by url\n", server:cli "-n 1 get url")
  end)

  it("redis-cli --stat", function()
    local _, out = Shell.run(("stdbuf -oL timeout 3 redis-cli -p %d --stat -i 0.1")
      :format(server.port))
    local lines = select(2, out:gsub("\n%d+ ", ""))
    assert.is_true(lines >= 2, out)
  end)

  it("redis-cli --latency", function()
    local _, out = Shell.run(("timeout 2 redis-cli -p %d --latency --raw")
      :format(server.port))
    assert.matches("%d+ %d+ %d+%.%d+ %d+", out)
  end)

  for words, wanted in pairs {
    ["-t set,get -n 5000 -q"] = 2, ["-t set,get -n 20000 -P 16 -c 50 -q -r 1000"] = 2,
    ["-t set,get,mset -n 3000 -q"] = 3, ["-t set,get -n 1000 -d 65536 -q"] = 2,
    ["-t ping -n 20000 -q"] = 2, ["-t set,get -n 5000 -q --threads 2"] = 2,
  } do
    it("redis-benchmark " .. words, function()
      local code, out = Shell.run(("redis-benchmark -n 1 -p %d %s 2>&1 </dev/null")
        :format(server.port, words), nil, 100)
      assert.equal(0, code)
      local _, n = out:gsub("requests per second", "")
      assert.equal(wanted, n, out)
      assert.is_nil(out:find "[Ee]rror", out)
    end)
  end

  it("redis-py", function()
    local code, out, err = Shell.run(
      "/usr/bin/python3 spec/serve/clients.py " .. server.port)
    assert.equal("0 done\n", ("%d %s%s"):format(code, out, err))
  end)

  it("lua-resty-redis in nginx #unsanitized", function()
    local nginx = Nginx.start { server = RESTY:format(server.port) }
    local _, body = http.get(nginx.url .. "/resty")
    nginx:stop()
    assert.equal("done", body)
  end)
end)
