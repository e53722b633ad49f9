-- The life of the processes of weir serve --processes: ready, killed and started again,
-- reloaded, drained.
local Server = require "serve.server"
local Shell = require "shell"

local HUP, TERM, KILL = 1, 15, 9


local function exists(path)
  local file = io.open(path)
  if file then file:close() end
  return file ~= nil
end


local function slurp(path)
  local file = assert(io.open(path))
  local text = file:read "*a"
  file:close()
  return text
end


describe("weir serve --processes", function()
  local folder, server

  before_each(function() folder = Shell.folder() end)
  after_each(function()
    if server then server:close() end
    server = nil
    Shell.remove(folder)
  end)

  local function policy(text)
    Shell.write(folder .. "/kv.lua", text)
    return folder .. "/kv.lua"
  end

  -- How often the server has said something.
  local function said(text)
    local n, at = 0, 0
    repeat
      at = server:log():find(text, at + 1, true)
      n = at and n + 1 or n
    until not at
    return n
  end

  local function ping(i)
    local _, out = Shell.run(("redis-cli -p %d ping"):format(server.ports[i]))
    return out
  end

  -- Clients that set and get keys of each process until finish() is called, which
  -- returns what they saw: a line for each process.
  local function load()
    os.execute(("{ /usr/bin/python3 spec/serve/cluster.py %d load %s/stop %d "
      .. ">%s/load 2>&1; touch %s/loaded; } &"):format(server.port, folder, server.n,
      folder, folder))
    server:wait(function()
      local commands = server:cli("info stats"):match "total_commands_processed:(%d+)"
      return tonumber(commands) > 300
    end)
    return function()
      Shell.write(folder .. "/stop", "")
      server:wait(function() return exists(folder .. "/loaded") end)
      return slurp(folder .. "/load")
    end
  end

  it("is ready when all processes are, and each knows its number", function()
    local text = [[
      local me, dir = param("process", "0"), os.getenv "GATE"
      if me == "2" then
        os.execute("touch " .. dir .. "/waits")
        while not os.rename(dir .. "/open", dir .. "/open") do end
      end
      os.execute(("echo %s/%s >%s/is%s"):format(me, param("processes", "0"), dir, me))
      return memory {}]]
    local gate = "GATE=" .. folder
    server = Server.starting(2, ("%s --pidfile %s/pid --ready-fd 7 7>%s/fd"):format(
      policy(text), folder, folder), gate)
    server:wait(function() return exists(folder .. "/waits") end)
    -- The first process serves by now.
    assert.is_false(exists(folder .. "/pid"))
    assert.equal("", slurp(folder .. "/fd"))
    assert.equal(0, said "ready at")
    Shell.write(folder .. "/open", "")
    server:wait_for_processes()
    server:wait(function() return slurp(folder .. "/fd") == "READY=1\n" end)
    assert.equal(server.pid .. "\n", slurp(folder .. "/pid"))
    assert.equal("1/2\n2/2\n", slurp(folder .. "/is1") .. slurp(folder .. "/is2"))
    server:signal(TERM)
    assert.equal(0, server:code())
    assert.is_false(exists(folder .. "/pid"))
  end)

  it("starts a killed process again while the others go on", function()
    server = Server.cluster(3, "'memory://?capacity=64MiB'")
    local finish = load()
    local before, pid = server.pids[2], server.pids[2]
    for i, seconds in ipairs { "0.1", "0.2" } do
      server:signal(KILL, pid)
      server:wait(function() return said "process 2 (" == i end)
      assert.equal(1, said(("process 2 ended by signal 9, it starts again in %s s")
        :format(seconds)))
      pid = tonumber(server:log():match "process 2 %((%d+)%) is ready\n$")
    end
    assert.is_true(server:runs(pid) and not server:runs(before))
    assert.equal("PONG\n", ping(2))
    local out = finish()
    assert.matches("process 1: served, no failures", out, 1, true)
    assert.matches("process 2: served", out, 1, true)
    assert.matches("process 3: served, no failures", out, 1, true)
    assert.matches("done", out, 1, true)
  end)

  it("reloads all processes under load without a failed operation", function()
    local text = [[return memory { capacity = "64MiB" } :coalesce()]]
    server = Server.cluster(2, policy(text))
    local finish = load()
    for i = 1, 2 do
      policy(text .. (":deadline(20)"):rep(i))
      server:signal(HUP)
      server:wait(function() return said ": reloaded" == 2 * i end)
    end
    policy "return nonsense"
    server:signal(HUP)
    server:wait(function() return said ": not reloaded" == 2 end)
    local out = finish()
    assert.equal("process 1: served, no failures\nprocess 2: served, no failures\n"
      .. "done\n", out)
    local _, tree = Shell.run(("redis-cli -p %d weir tree"):format(server.ports[2]))
    assert.equal(2, select(2, tree:gsub("deadline", "")))
  end)

  it("answers what is under way at SIGTERM", function()
    local gate = folder .. "/gate"
    server = Server.cluster(2, policy(Server.gated(gate)))
    for i = 1, 2 do
      os.execute(("redis-cli -c -p %d set %s 1 >%s/set%d 2>&1 &"):format(
        server.ports[i], ({ "b", "a" })[i], folder, i))
      server:wait(function()
        local _, out = Shell.run(("redis-cli -p %d info clients"):format(
          server.ports[i]))
        return out:find "requests_waiting:2"
      end)
    end
    server:signal(TERM)
    server:wait(function() return server:cli "ping" ~= "PONG\n" end)
    Shell.write(gate, "")
    assert.equal(0, server:code())
    assert.equal("OK\nOK\n", slurp(folder .. "/set1") .. slurp(folder .. "/set2"))
    for i = 1, 2 do assert.is_false(server:runs(server.pids[i])) end
  end)

  it("ends at once at a second SIGTERM", function()
    server = Server.cluster(2, policy [[return fault { target = "memory", delay = "1h" }
      :coalesce()]] .. " --drain 1h")
    os.execute(("redis-cli -p %d set b 1 >/dev/null 2>&1 &"):format(server.port))
    server:wait(function() return server:info "requests_waiting" == "2" end)
    server:signal(TERM)
    server:wait(function() return not server:runs(server.pids[2]) end)
    server:signal(TERM)
    assert.equal(0, server:code())
    assert.is_false(server:runs(server.pids[1]))
  end)

  it("leaves no process behind when it is killed itself", function()
    server = Server.cluster(2, "memory://")
    server:signal(KILL)
    for i = 1, 2 do
      server:wait(function() return not server:runs(server.pids[i]) end)
    end
  end)

  it("ends when a process does not start, and says why once", function()
    server = Server.starting(3, policy "return nonsense")
    assert.equal(3, server:code())
    assert.equal(1, said 'no word "nonsense"')
    server:close()
    server = Server.starting(3, policy [[
      if param("process", "1") == "3" then error "not the third" end
      return memory {}]])
    assert.equal(3, server:code())
    assert.equal(1, said "not the third")
    assert.equal(0, said "ready at")
  end)
end)
