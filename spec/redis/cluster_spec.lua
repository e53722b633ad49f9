-- The redis connector on a Redis Cluster of real nodes: the contract, and values that
-- tell their key and version while slots move, a node hangs, a master is killed.
-- With WEIR_SOAK=SECONDS there are more keys, more moves, and each phase takes longer.
local Cluster = require "weir.app.bench.redis_cluster"
local Server = require "redis_server"
local TcpServer = require "weir.app.bench.redis_server"
local contract = require "contract"
local shell = require "shell"
local weir = require "weir"

local SOAK = tonumber(os.getenv "WEIR_SOAK")
local KEYS = SOAK and 100000 or 3000
local MOVES = SOAK and 20 or 2
local SLOTS = SOAK and 500 or 100
local PATIENCE = SOAK and 200 or 20
local BATCH = 128

local made = 0


local function fresh_prefix()
  made = made + 1
  return ("spec%d:"):format(made)
end


-- A model of what a store was told: versions by key. A write that got no clear answer
-- leaves two versions possible.
local Model = {}
Model.__index = Model


-- view(): what the cluster's nodes say of each other, for a failure.
function Model.new(store, view)
  return setmetatable({
    store = store, view = view, acked = {}, maybe = {}, errors = 0,
  }, Model)
end


function Model.value(_, key, version)
  return ("%d=%d:%s"):format(key, version, ("x"):rep(key % 40))
end


local function names(keys)
  local list = {}
  for i, key in ipairs(keys) do list[i] = "key" .. key end
  return list
end


local function some()
  local keys, seen = {}, {}
  while #keys < BATCH do
    local key = math.random(KEYS)
    if not seen[key] then keys[#keys + 1] = key end
    seen[key] = true
  end
  return keys
end


function Model:write(keys)
  local values = {}
  for i, key in ipairs(keys) do
    self.maybe[key] = (self.maybe[key] or 0) + 1
    values[i] = self:value(key, self.maybe[key])
  end
  local reply = self.store:set_many(names(keys), values, { timeout = 1 })
  for i, key in ipairs(keys) do
    if reply.status[i] == "ok" then
      self.acked[key] = self.maybe[key]
    else
      self.errors, self.error = self.errors + 1, reply:error(i)
    end
  end
end


-- A value that is read is one that was written, and not before the last that was
-- acknowledged.
function Model:read(keys)
  local reply = self.store:get_many(names(keys), { timeout = 1 })
  for i, key in ipairs(keys) do
    if reply.status[i] == "ok" then
      local value = reply:string(i)
      local version = tonumber(value:match "=(%d+):")
      assert.equal(self:value(key, version), value)
      assert(version >= (self.acked[key] or 0) and version <= (self.maybe[key] or 0),
        ("key %d: version %d of %d to %d"):format(key, version, self.acked[key] or 0,
          self.maybe[key] or 0))
    else
      assert.not_equal("miss", reply.status[i])
      self.errors, self.error = self.errors + 1, reply:error(i)
    end
  end
end


function Model:all()
  local list = {}
  for key = 1, KEYS do list[key] = key end
  return list
end


-- Writes each key, in batches.
function Model:fill()
  for first = 1, KEYS, BATCH do
    local keys = {}
    for key = first, math.min(first + BATCH - 1, KEYS) do keys[#keys + 1] = key end
    self:write(keys)
  end
end


-- Reads and writes until a condition holds and a round went without an error.
function Model:work(done)
  local limit = weir.now() + PATIENCE
  repeat
    if weir.now() >= limit then
      error("what was awaited did not happen: " .. tostring(self.error) .. "\n"
        .. self.view())
    end
    self.errors = 0
    self:write(some())
    self:read(some())
  until done() and self.errors == 0
end


local function gauges(store) return store:stats().gauges end


local function maps_sent(cluster)
  local n = 0
  for _, node in ipairs(cluster.nodes) do
    local stats = cluster:command(node, "info commandstats")
    n = n + (tonumber(stats:match "cluster|slots:calls=(%d+)") or 0)
  end
  return n
end


-- Connections of a store with that client name, at all nodes.
local function connections(cluster, name)
  local n = 0
  for _, node in ipairs(cluster.nodes) do
    local _, count = cluster:command(node, "client list"):gsub(" name=" .. name, "")
    n = n + count
  end
  return n
end


local function nobody() return true end


-- A server with all that a killed master had: it reads the log of its writes.
local function revived(node)
  return Server.start("--appendonly yes --appendfsync no --dir " .. node.folder)
end


local function replica_of(cluster, master)
  local info = cluster:command(master, "info replication")
  local port = tonumber(info:match "slave0:.-port=(%d+)")
  for _, node in ipairs(cluster.nodes) do
    if node.port == port then return node end
  end
end


describe("a redis cluster", function()
  local cluster

  -- Whether the slots have moved: then the file is there.
  local function has_moved(done)
    local file = io.open(done)
    if file then file:close() end
    return file and cluster:settled()
  end

  local function view()
    local texts = {}
    for i, node in ipairs(cluster.nodes) do
      texts[i] = node.port .. (node.gone and " (gone)" or "") .. ":\n"
        .. cluster:command(node, "cluster nodes")
    end
    return table.concat(texts, "\n")
  end

  setup(function()
    cluster = assert(Cluster.start(3, 1, "--appendonly yes --appendfsync no"))
  end)
  teardown(function() cluster:stop() end)

  contract {
    atomic = "all",
    open = function(options)
      options.prefix = fresh_prefix()
      return weir.open(cluster.url, options)
    end,
  }

  it("sends keys with one hash tag in commands for many keys", function()
    local store = weir.open(cluster.url, { prefix = fresh_prefix(), workers = 1 })
    local keys, values = {}, {}
    for i = 1, 100 do keys[i], values[i] = "{tag}" .. i, "value " .. i end
    assert.is_true(store:set_many(keys, values):all "good")
    store:get_many(keys) -- the first one learns how long the values are
    local owner
    for _, node in ipairs(cluster:masters()) do
      cluster:command(node, "config resetstat")
    end
    local reply = store:get_many(keys)
    for i = 1, 100 do assert.equal(values[i], reply:string(i)) end
    for _, node in ipairs(cluster:masters()) do
      local stats = cluster:command(node, "info commandstats")
      if stats:find "cmdstat_mget:" then owner = stats end
      assert.is_nil(stats:find "cmdstat_get:")
    end
    assert.matches("cmdstat_mget:calls=%d,", owner)
    local n = 0
    for _ in store:scan { prefix = "{tag}" } do n = n + 1 end
    assert.equal(100, n)
    store:close()
  end)

  it("shows its nodes in its tree, the command at once", function()
    local store = weir.tier { weir.memory {}, weir.open(cluster.url) }
    assert.is_nil(store:tree().children[2].cluster)
    store:get "a"
    local found = store:tree().children[2].cluster
    assert.same({ 3, 16384, 0 }, { found.masters, found.slots, found.redirections })
    assert.is_true(found.nodes >= 3) -- replicas may not have joined yet
    store:close()
    local code, out = shell.run("build/weir tree '" .. cluster.url .. "'")
    assert.equal(0, code)
    assert.matches(": %d nodes, 3 masters, 16384 slots, 0 redirections\n$", out)
  end)

  it("logs in to each node", function()
    for _, node in ipairs(cluster.nodes) do
      cluster:command(node, "acl setuser ann on '>p w' '~*' '&*' '+@all'")
    end
    local list = cluster.url:match "//(.-)/"
    local store = weir.open(("redis://ann:p%%20w@%s/?cluster=true"):format(list),
      { prefix = fresh_prefix() })
    for i = 1, 50 do assert(store:set("k" .. i, "v" .. i)) end
    for _, node in ipairs(cluster:masters()) do
      assert.matches("user=ann", cluster:command(node, "client list"), 1, true)
    end
    store:close()
    store = weir.open(("redis://ann:other@%s/?cluster=true"):format(list))
    local value, err = store:get "k1"
    assert.is_nil(value)
    assert.equal("denied", err.code)
    store:close()
  end)

  it("explains which node a key goes to, and counts nodes and slots", function()
    local store = weir.open(cluster.url, { prefix = fresh_prefix() })
    local slot = cluster:command(cluster.nodes[1], "cluster keyslot '{a b}'")
    local why = tostring(store:explain("get", "x{a b}"))
    local port = why:match(": node 127.0.0.1:(%d+), slot " .. slot .. "$")
    local owns = false
    for _, node in ipairs(cluster:masters()) do
      owns = owns or node.port == tonumber(port)
    end
    assert.is_true(owns)
    assert.equal(6, gauges(store).nodes)
    assert.equal(3, gauges(store).masters)
    assert.equal(16384, gauges(store).slots)
    store:close()
  end)

  it("finds the slot that the server finds, for keys of each length", function()
    for _, prefix in ipairs { "", "a:", "nineteen bytes long" } do
      local store = weir.open(cluster.url, { prefix = prefix })
      for length = 1, 20 do
        local key = ("abcdefghijklmnopqrstuvwxyz"):sub(-length)
        local slot = cluster:command(cluster.nodes[1],
          ("cluster keyslot '%s%s'"):format(prefix, key))
        assert.matches(", slot " .. slot .. "$", tostring(store:explain("get", key)))
      end
      store:close()
    end
  end)

  it("tells a store of one node that there is a cluster", function()
    local one = weir.open(("redis://127.0.0.1:%d"):format(cluster.nodes[1].port))
    local keys = {}
    for i = 1, 64 do keys[i] = "key" .. i end
    local reply = one:get_many(keys)
    assert.matches("-MOVED", reply.message, 1, true)
    assert.matches("; the server is a node of a cluster: set cluster=true",
      reply.message, 1, true)
    one:close()
    one = weir.open(("redis://127.0.0.1:%d/3"):format(cluster.nodes[1].port))
    local _, err = one:get "k"
    assert.matches("-ERR SELECT is not allowed in cluster mode; the server is a node "
      .. "of a cluster: set cluster=true and take out the database", tostring(err), 1,
      true)
    one:close()
  end)

  it("says why each seed gives no map", function()
    local server = assert(TcpServer.start())
    local port = server.url:match ":(%d+)"
    local seeds = { "127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:" .. port }
    local function why()
      local store = weir.open(("redis://%s/?cluster=true")
        :format(table.concat(seeds, ",")))
      local _, err = store:get "k"
      store:close()
      return tostring(err)
    end
    assert.matches("redis cluster 127.0.0.1:1 and 2 more: "
      .. "no map of the cluster: 127.0.0.1:1: cannot connect: Connection "
      .. "refused; 127.0.0.1:2: the same; 127.0.0.1:" .. port .. ": the server is not "
      .. "part of a cluster: leave out cluster=true", why(), 1, true)
    server:stop()
    for i = 3, 40 do seeds[i] = "127.0.0.1:" .. i end
    local many = why()
    assert.matches("127.0.0.1:2: the same; 127.0.0.1:3: the same", many, 1, true)
    local shown, left = 0, tonumber(many:match "; and (%d+) more$")
    for _ in many:gmatch ": the same" do shown = shown + 1 end
    assert.equal(40, 1 + shown + left)
  end)

  it("refuses what a cluster has not, by name", function()
    for suffix, words in pairs {
      ["&db=3"] = "option db: a cluster has only database 0, got 3",
      ["&socket=/tmp/x"] = "option socket: a cluster is reached by host and port",
      ["&tracking=true&read=replica"] = "option read: with tracking expected master",
      ["&read=none"] = "option read",
    } do
      local opened, err = pcall(weir.open, cluster.url .. suffix)
      assert.is_false(opened)
      assert.matches(words, tostring(err), 1, true)
    end
    local opened, err = pcall(weir.open, "redis://a:1,b:2")
    assert.is_false(opened)
    assert.matches("option host: a list of addresses needs cluster=true",
      tostring(err), 1, true)
  end)

  for _, read in ipairs { "replica", "nearest" } do
    it("reads from a " .. read .. " what the master was told", function()
      local store = weir.open(cluster.url, { prefix = fresh_prefix(), read = read })
      for i = 1, 20 do assert(store:set("k" .. i, "v" .. i)) end
      for i = 1, 20 do
        local limit = weir.now() + PATIENCE
        while tostring(store:get("k" .. i)) ~= "v" .. i do
          assert(weir.now() < limit, "the replica has not the value")
        end
      end
      if read == "replica" then
        local replicas = 0
        for _, node in ipairs(cluster.nodes) do
          local stats = cluster:command(node, "info commandstats")
          if stats:find "cmdstat_readonly" then replicas = replicas + 1 end
        end
        assert.is_true(replicas > 0)
      end
      store:close()
    end)
  end

  it("answers right while slots move back and forth, and scans all keys", function()
    local store = weir.open(cluster.url,
      { prefix = fresh_prefix(), client_name = "mover" })
    local model = Model.new(store, view)
    model:fill()
    local maps, begun = maps_sent(cluster), weir.now()
    local masters, done = cluster:masters(), cluster.folder .. "/moved"
    cluster:move_in_background(MOVES, SLOTS, masters[1], masters[2], done)
    model:work(function()
      local found = {}
      for key in store:scan {} do found[key] = true end
      for key = 1, KEYS do assert(found["key" .. key], "the scan left out a key") end
      return has_moved(done)
    end)
    assert.equal(0, model.errors)
    model:read(model:all())
    assert.is_true(gauges(store).moved > 0)
    -- One map at once, then at most one a second but for the first few.
    assert.is_true(maps_sent(cluster) - maps <= 6 + (weir.now() - begun))
    store:close()
    assert.equal(0, connections(cluster, "mover"))
  end)

  it("answers right while a node joins and leaves", function()
    local store = weir.open(cluster.url,
      { prefix = fresh_prefix(), client_name = "guest" })
    local model = Model.new(store, view)
    model:fill()
    local node = assert(cluster:grow())
    local master = cluster:masters()[1]
    for _, way in ipairs { { master, node }, { node, master } } do
      local done = cluster.folder .. "/joined" .. way[1].port
      cluster:move_in_background(1, SLOTS, way[1], way[2], done)
      model:work(function() return has_moved(done) end)
      model:read(model:all())
      assert.equal(0, model.errors)
      if way[2] == node then
        assert.is_true(gauges(store).nodes >= 7)
        assert.is_true(connections(cluster, "guest") > 0)
      end
    end
    assert.is_true(cluster:shrink(node))
    model:work(nobody)
    model:read(model:all())
    assert.equal(0, model.errors)
    store:close()
    assert.equal(0, connections(cluster, "guest"))
  end)

  it("goes on with the replica of a master that hangs, and after it wakes", function()
    local store = weir.open(cluster.url, { prefix = fresh_prefix() })
    local model = Model.new(store, view)
    model:fill()
    local hung = cluster:masters()[1]
    cluster:signal(hung, "STOP")
    model:work(nobody)
    cluster:signal(hung, "CONT")
    local limit = weir.now() + PATIENCE
    model:work(function()
      assert(weir.now() < limit)
      return cluster:command(hung, "info replication"):find "role:slave"
    end)
    assert(cluster:settled())
    model:read(model:all())
    assert.equal(0, model.errors)
    store:close()
  end)

  it("goes on with the replica of a master that is killed", function()
    local store = weir.open(cluster.url,
      { prefix = fresh_prefix(), client_name = "heir" })
    local model = Model.new(store, view)
    model:fill()
    local killed = cluster:masters()[1]
    local replica = cluster:command(killed, "wait 1 1000")
    cluster:signal(killed, "KILL")
    model:work(nobody)
    model:read(model:all())
    assert.equal("1", replica)
    assert.equal(0, model.errors)
    store:close()
    killed.gone = true
    assert.equal(0, connections(cluster, "heir"))
  end)

  -- A failover does not wait for replicas: what the master took last is lost with it.
  it("loses no acknowledged write that the cluster did not lose", function()
    local prefix = fresh_prefix()
    local store = weir.open(cluster.url, { prefix = prefix })
    local model = Model.new(store, view)
    model:fill()
    local killed
    for _, master in ipairs(cluster:masters()) do
      killed = replica_of(cluster, master) and master or killed
    end
    local replica = replica_of(cluster, killed)
    assert.equal("1", cluster:command(killed, "wait 1 1000"))
    cluster:signal(replica, "STOP")
    cluster:command(killed, "client kill type replica")
    model.errors = 0
    model:fill()
    assert.equal(0, model.errors)
    cluster:signal(killed, "KILL")
    cluster:signal(replica, "CONT")
    local limit, reply = weir.now() + PATIENCE
    repeat
      assert(weir.now() < limit, "no replica took over")
      reply = store:get_many(names(model:all()), { timeout = 1 })
    until reply:all "good"
    local old, lost = revived(killed), 0
    local before = weir.open(old.url, { prefix = prefix }):get_many(names(model:all()))
    for key = 1, KEYS do
      local written = model:value(key, 2)
      if reply:string(key) ~= written then
        lost = lost + 1
        assert.equal(model:value(key, 1), reply:string(key))
        assert.equal(written, before:string(key))
      end
    end
    assert(lost > 0 and lost < KEYS / 2, lost .. " writes lost")
    store:close()
    old:close()
    killed.gone = true
  end)
end)
