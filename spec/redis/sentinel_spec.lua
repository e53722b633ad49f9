-- The redis connector with a master that sentinels know: a master, a replica and three
-- sentinels of its own. With WEIR_SOAK there is a second failover.
local Ports = require "weir.app.bench.ports"
local shell = require "shell"
local weir = require "weir"

local PATIENCE = 30
-- Sentinels take ten seconds to make a replica of an old master.
local soak = os.getenv "WEIR_SOAK" and it or function() end

local SENTINEL = [[
port %d
bind 127.0.0.1
dir %s
sentinel monitor mymaster 127.0.0.1 %d 2
sentinel down-after-milliseconds mymaster 500
sentinel failover-timeout mymaster 2000
]]


local function run(line)
  local _, out = shell.run("env -u LD_PRELOAD timeout 5 " .. line)
  return (out:gsub("%s+$", ""))
end


local function await(what, condition)
  local limit = weir.now() + PATIENCE
  while not condition() do
    assert(weir.now() < limit, what)
    weir.sleep(0.02)
  end
end


local Group = {}
Group.__index = Group


local function launch(self, port, line)
  local pipe = assert(io.popen(("env -u LD_PRELOAD sh -c 'exec %s >%s/%d.log 2>&1' "
    .. "& echo $!"):format(line, self.folder, port)))
  self.pids[port] = pipe:read "*n"
  pipe:close()
end


local function ask(port, words)
  return run(("redis-cli -p %d %s 2>&1"):format(port, words))
end


local function server(self, port, options)
  launch(self, port, ("redis-server --port %d --bind 127.0.0.1 --dir %s --save \"\" "
    .. "--dbfilename %d.rdb --repl-diskless-sync-delay 0 %s"):format(port, self.folder,
    port, options))
end


-- Starts servers at five ports in a row, which may not be free.
local function start()
  local base = Ports.row(5)
  local self = setmetatable({ folder = shell.folder(), pids = {}, sentinels = {},
    master = base, replica = base + 1 }, Group)
  server(self, base, "")
  server(self, base + 1, "--replicaof 127.0.0.1 " .. base)
  for i = 1, 3 do
    local port = base + 1 + i
    local path = ("%s/%d.conf"):format(self.folder, port)
    shell.write(path, SENTINEL:format(port, self.folder, base))
    launch(self, port, ("redis-server %s --sentinel"):format(path))
    self.sentinels[i] = port
  end
  return self
end


-- A port that was not free has another's server, which may be ready, too.
function Group:has_its_ports()
  for port, pid in pairs(self.pids) do
    local info = ask(port, "info server")
    if not info:find("process_id:" .. pid .. "\r?\n") then return false end
  end
  return true
end


function Group:ready()
  return self:has_its_ports()
    and ask(self.replica, "info replication"):find "master_link_status:up"
    and ask(self.sentinels[1], "sentinel master mymaster"):find
      "num%-slaves\n1\n.*num%-other%-sentinels\n2"
    and ask(self.sentinels[3], "sentinel master mymaster"):find
      "num%-slaves\n1\n.*num%-other%-sentinels\n2"
end


-- The last lines of each log, and what the first sentinel knows.
function Group:last_words()
  return run(("sh -c 'tail -n 4 %s/*.log' 2>&1"):format(self.folder))
    .. "\n" .. ask(self.sentinels[1], "sentinel master mymaster")
end


function Group:signal(port, name)
  os.execute(("kill -%s %d 2>/dev/null"):format(name, self.pids[port]))
end


function Group:stop()
  for port in pairs(self.pids) do self:signal(port, "KILL") end
  shell.remove(self.folder)
end


function Group:url(name)
  local list = { "127.0.0.1:1" } -- a dead one first
  for _, port in ipairs(self.sentinels) do list[#list + 1] = "127.0.0.1:" .. port end
  return ("redis+sentinel://%s/%s"):format(table.concat(list, ","), name)
end


-- The port of the master, as a sentinel knows it.
function Group:named()
  return tonumber(ask(self.sentinels[2], "sentinel get-master-addr-by-name mymaster")
    :match "\n(%d+)$")
end


local function set_again(store, key, value)
  await("no set succeeded", function()
    return store:set(key, value, { timeout = 1 })
  end)
end


describe("redis behind sentinels", function()
  local group

  setup(function()
    local why
    for _ = 1, 3 do
      group = start()
      local ready = pcall(await, "", function() return group:ready() end)
      if ready then return end
      why = group:last_words()
      group:stop()
    end
    error("sentinels, a master and a replica do not come to know each other: " .. why)
  end)
  teardown(function() group:stop() end)

  it("connects to the master of that name, and to that database", function()
    local store = weir.open(group:url "mymaster/2")
    assert(store:set("a", "1"))
    assert.equal("1", tostring(store:get "a"))
    assert.equal("1", ask(group.master, "-n 2 get a"))
    store:close()
  end)

  it("says which sentinel knows no such master", function()
    local store = weir.open(group:url "another")
    local value, err = store:get "a"
    assert.is_nil(value)
    assert.equal("unavailable", err.code)
    assert.matches("sentinel 127.0.0.1:%d+: .*knows no master named \"another\"",
      tostring(err))
    store:close()
    local opened, why = pcall(weir.open, "redis+sentinel://127.0.0.1:1")
    assert.is_false(opened)
    assert.matches("option master: expected the name", tostring(why), 1, true)
  end)

  it("says which server is no sentinel", function()
    local url = ("redis+sentinel://127.0.0.1:%d/mymaster/0"):format(group.master)
    local store = weir.open(url)
    local _, err = store:get "k"
    assert.matches("expected a sentinel, but the server says -ERR", tostring(err), 1,
      true)
    store:close()
  end)

  it("says why each sentinel gives no master", function()
    local url = ("redis+sentinel://127.0.0.1:1,127.0.0.1:2,127.0.0.1:%d/another")
      :format(group.sentinels[1])
    local store = weir.open(url)
    local _, err = store:get "k"
    assert.matches("redis master another of 127.0.0.1:1 and 2 more: "
      .. "sentinel 127.0.0.1:1: cannot connect: Connection refused"
      .. "; 127.0.0.1:2: the same; 127.0.0.1:" .. group.sentinels[1]
      .. ": the sentinel knows no master named \"another\"", tostring(err), 1, true)
    store:close()
  end)

  it("says that a sentinel wants a password of its own", function()
    local port = group.sentinels[1]
    ask(port, "acl setuser default resetpass '>other'")
    local store = weir.open(("redis+sentinel://:secret@127.0.0.1:%d/mymaster")
      :format(port))
    local _, err = store:get "k"
    ask(port, "-a other acl setuser default nopass")
    assert.equal("denied", err.code)
    assert.matches("-NOAUTH Authentication required.; set sentinel_password",
      tostring(err), 1, true)
    store:close()
  end)

  it("says which master, named by a sentinel, cannot be reached", function()
    ask(group.sentinels[1], "sentinel monitor dead 127.0.0.1 1 2")
    local store = weir.open(("redis+sentinel://127.0.0.1:%d/dead")
      :format(group.sentinels[1]))
    local _, err = store:get "k"
    ask(group.sentinels[1], "sentinel remove dead")
    assert.equal("unavailable", err.code)
    assert.matches(": master 127.0.0.1:1: cannot connect: Connection refused",
      tostring(err), 1, true)
    store:close()
  end)

  it("tells a store of one server that its server may be a sentinel", function()
    local advice = "; is it a sentinel? Then use redis+sentinel://HOST:PORT/MASTER"
    local store = weir.open("redis://127.0.0.1:" .. group.sentinels[1])
    local keys, values = {}, {}
    for i = 1, 20 do keys[i], values[i] = "key" .. i, ("v"):rep(100) end
    for command, fn in pairs {
      GET = function() return store:get "k" end,
      SET = function() return store:set("k", values[1]) end,
      EXISTS = function() return store:exists "k" end,
      DEL = function() return store:delete "k" end,
      STRLEN = function() return store:stat "k" end,
    } do
      local _, err = fn()
      assert.matches(("-ERR unknown command '%s'%s"):format(command, advice),
        tostring(err), 1, true)
      assert.equal("unsupported", err.code)
    end
    local third = weir.open(("redis://127.0.0.1:%d/3"):format(group.sentinels[1]))
    local _, why = third:get "k"
    assert.matches("-ERR unknown command 'SELECT'" .. advice, tostring(why), 1, true)
    third:close()
    for _, reply in ipairs { store:get_many(keys), store:set_many(keys, values) } do
      assert.matches(advice, reply.message, 1, true)
    end
    store:close()
    store = weir.open(("redis://127.0.0.1:%d/?cluster=true"):format(group.sentinels[1]))
    local _, err = store:get "k"
    assert.matches("the server knows no command CLUSTER: leave out cluster=true"
      .. advice, tostring(err), 1, true)
    store:close()
  end)

  it("leaves a master that hangs when sentinels tell of another one", function()
    local store = weir.open(group:url "mymaster/0", { workers = 1, tracking = true,
      tracking_timeout = "1h" })
    local tree = weir.tier { weir.memory {}, store, coherent = true }
    assert(store:set("kept", "3"))
    local old = group:named()
    assert.equal("1", ask(old, "wait 1 2000"))
    await("no copy", function() return tree:get_many { "kept" }:level(1) == 1 end)
    group:signal(old, "STOP")
    set_again(store, "after", "4")
    local new = group:named()
    assert.not_equal(old, new)
    assert.equal("4", ask(new, "get after"))
    assert.equal("3", tostring(store:get "kept"))
    assert.equal(1, store:stats().gauges.masters)
    assert.equal("OK", ask(new, "set kept 5"))
    await("an old copy stays", function() return tree:get_string "kept" == "5" end)
    group:signal(old, "CONT")
    store:close()
  end)

  soak("goes on with the new master after a failover that was asked for", function()
    local store = weir.open(group:url "mymaster/0", { workers = 1 })
    assert(store:set("before", "1"))
    local old = group:named()
    await("the old master is no replica yet", function()
      return ask(old, "wait 1 100") == "1"
    end)
    await("the sentinel does not fail over", function()
      return ask(group.sentinels[1], "sentinel failover mymaster") == "OK"
    end)
    await("no failover", function() return group:named() ~= old end)
    set_again(store, "after", "2")
    assert.equal("2", ask(group:named(), "get after"))
    assert.equal("1", tostring(store:get "before"))
    store:close()
  end)
end)
