-- The command over a server that hangs: it keeps to --timeout, and one condition has
-- one name wherever the server hangs.
local hung = require "hung"
local shell = require "shell"
local weir = require "weir"

-- Answers the greeting, says that it has all slots of a cluster, and then nothing.
local GREETS = [[
  local uv = require "luv"
  local server = uv.new_tcp()
  server:bind("127.0.0.1", 0)
  server:listen(8, function()
    local client = uv.new_tcp()
    server:accept(client)
    client:read_start(function(_, data)
      if data and data:find "PING" then client:write "+OK\r\n+PONG\r\n" end
      if data and data:find "SLOTS" then
        client:write("*1\r\n*3\r\n:0\r\n:16383\r\n*3\r\n$9\r\n127.0.0.1\r\n:"
          .. server:getsockname().port .. "\r\n$1\r\nx\r\n")
      end
    end)
  end)
  print(uv.os_getpid(), server:getsockname().port)
  io.flush()
  uv.run()
]]


local function timed(line)
  local started = weir.now()
  local code, out, err = shell.run(line)
  return code, out .. err, weir.now() - started
end


describe("over a server that hangs, weir #unsanitized", function()
  local server

  setup(function() server = hung.listen() end)
  teardown(function() server:close() end)

  for _, line in ipairs {
    "get --timeout 300ms %s a", "set --timeout 300ms %s a 1", "rm --timeout 300ms %s a",
    "stat --timeout 300ms %s a", "head --timeout 300ms %s a", "ls --timeout 300ms %s",
  } do
    it(line:match "%w+" .. " ends in its time, and says why", function()
      local url = ("'redis://%s?connect_timeout=60s'"):format(server.address)
      local code, text, seconds = timed("build/weir " .. line:format(url))
      assert.equal(3, code)
      assert.matches("no answer within 0.3 s", text)
      assert.is_true(seconds < 20)
    end)
  end

  it("says the same when it hangs after its greeting", function()
    local folder = shell.folder()
    finally(function() shell.remove(folder) end)
    shell.write(folder .. "/server.lua", GREETS)
    local pipe = io.popen("exec timeout -s KILL 60 luajit " .. folder .. "/server.lua")
    local pid, port = pipe:read "*n", pipe:read "*n"
    local code, text, seconds =
      timed("build/weir get --timeout 300ms redis://127.0.0.1:" .. port .. " a")
    local _, of_node = timed(("build/weir get --timeout 2s "
      .. "'redis://127.0.0.1:%d?cluster=true' a"):format(port))
    os.execute("kill " .. pid)
    pipe:close()
    assert.equal(3, code)
    assert.matches("no answer within 0.3 s", text)
    assert.matches(("node 127.0.0.1:%d: no answer within 2 s"):format(port), of_node,
      1, true)
    assert.is_true(seconds < 8)
  end)
end)


describe("a program over a server that hangs #unsanitized", function()
  it("ends with its main, whatever its tasks and stores still wait for", function()
    local server = hung.listen()
    finally(function() server:close() end)
    local started = weir.now()
    local code = shell.run("build/weir run -", ([[
      local store = weir.open("redis://%s", { connect_timeout = "60s" })
      for i = 1, 10 do weir.spawn(function() store:get("k" .. i) end) end
      weir.sleep(0.1)
      return 7
    ]]):format(server.address))
    assert.equal(7, code)
    assert.is_true(weir.now() - started < 30)
  end)
end)


describe("a session over a server that hangs #unsanitized", function()
  it("quits without waiting for each of its stores", function()
    local server = hung.listen()
    finally(function() server:close() end)
    local url = ("'redis://%s?connect_timeout=60s&read_timeout=60s&db=%%d'")
      :format(server.address)
    local urls = {}
    for i = 1, 6 do urls[i] = url:format(i) end
    local started = weir.now()
    local code = shell.run("build/weir repl " .. table.concat(urls, " "),
      "redis:get('k', { timeout = 0.1 })\n.quit\n")
    assert.equal(3, code)
    assert.is_true(weir.now() - started < 20)
  end)
end)
