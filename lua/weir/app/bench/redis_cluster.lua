-- app/bench/redis_cluster.lua: a Redis Cluster of one's own on free ports of
-- 127.0.0.1, holding all in memory. For benchmarks and specs.
local Ports = require "weir.app.bench.ports"
local Server = require "weir.app.bench.redis_server"

local Cluster = {}
Cluster.__index = Cluster

local TRIES = 5
local TIMEOUT_MS = 1000


local function output(command)
  local pipe = assert(io.popen("env -u LD_PRELOAD " .. command))
  local text = pipe:read "*a"
  pipe:close()
  return (text:gsub("%s+$", ""))
end


local function quietly(command)
  return os.execute(("env -u LD_PRELOAD %s >/dev/null 2>&1"):format(command)) == 0
end


-- What a node and redis-cli are told to use TLS, with a certificate in that folder.
local function tls_words(folder)
  local files = ("--tls-cert-file %s/cert.pem --tls-key-file %s/key.pem "
    .. "--tls-ca-cert-file %s/cert.pem"):format(folder, folder, folder)
  return "--port 0 --tls-cluster yes --tls-replication yes --tls-auth-clients no "
    .. files .. " --tls-port", "--tls --cacert " .. folder .. "/cert.pem"
end


-- Starts a node, which does not know the others yet.
local function launch(self, port)
  local node = { port = port, folder = ("%s/%d"):format(self.folder, port) }
  os.execute("mkdir " .. node.folder)
  node.line = ([[redis-server %s %d --bind 127.0.0.1 --dir %s --save '' \
    --cluster-enabled yes --cluster-node-timeout %d --repl-diskless-sync-delay 0 \
    --loglevel warning %s]]):format(self.port_words, port, node.folder, TIMEOUT_MS,
    self.options)
  self.nodes[#self.nodes + 1] = node
  self:run(node)
  return node
end


-- Waits until the node replies. false: it has ended because its port was not free. The
-- one that listens at the port may be another's, and need not reply.
local function answers(self, node)
  return Server.wait(node.pid, ([[timeout 2 env -u LD_PRELOAD %s -p %d info server |
    grep -q "^process_id:%d"]]):format(self.cli, node.port, node.pid))
end


-- Starts n nodes side by side. false: a port was not free.
local function launch_all(self, n)
  local first = Ports.row(n)
  self.nodes = {}
  for i = 1, n do launch(self, first + i - 1) end
  for _, node in ipairs(self.nodes) do
    if not answers(self, node) then return false end
  end
  return true
end


local function join(self, replicas)
  local all = {}
  for i, node in ipairs(self.nodes) do all[i] = "127.0.0.1:" .. node.port end
  self.url = ("%s://%s/?cluster=true"):format(self.tls and "rediss" or "redis",
    table.concat(all, ","))
  if self.tls then self.url = self.url .. "&ca=" .. self.tls .. "/cert.pem" end
  local made = os.execute(("env -u LD_PRELOAD %s --cluster create %s "
    .. "--cluster-replicas %d --cluster-yes >%s/create 2>&1"):format(self.cli,
    table.concat(all, " "), replicas, self.folder))
  return made == 0 and self:settled()
end


-- The last lines of what redis-cli and the nodes wrote.
local function last_words(self)
  return output(("sh -c 'tail -n 4 %s/create %s/*/log' 2>&1"):format(self.folder,
    self.folder))
end


--- Starts masters with so many replicas each, and further options of redis-server,
--- and waits until they agree. tls: a folder with cert.pem and key.pem. nil and a
--- reason: they cannot.
---@param masters integer
---@param replicas integer
---@param options string?
---@param tls string?
---@return table? cluster with nodes ({ port, pid }), url
---@return string? reason
function Cluster.start(masters, replicas, options, tls)
  if not quietly "sh -c 'command -v redis-server'" then
    return nil, "no redis-server here: apt-get install redis-server"
  end
  local self = setmetatable({
    folder = output "mktemp -d", nodes = {}, options = options or "", tls = tls,
    port_words = "--port", cli = "redis-cli",
  }, Cluster)
  if tls then
    local words, cli_words = tls_words(tls)
    self.port_words, self.cli = words, "redis-cli " .. cli_words
  end
  for _ = 1, TRIES do
    if launch_all(self, masters * (1 + replicas))
      and join(self, replicas) then
      return self
    end
    self:kill_all()
  end
  local why = last_words(self)
  self:stop()
  return nil, "redis-server does not start as a cluster: " .. why
end


--- Starts a node's server, again if it was killed.
function Cluster:run(node)
  node.pid = tonumber(output(("sh -c '%s >>%s/log 2>&1 & echo $!'")
    :format(node.line:gsub("'", [['"'"']]), node.folder)))
end


--- Runs a command on a node by redis-cli, and returns what it wrote.
function Cluster:command(node, words)
  return output(("timeout 5 %s -p %d %s 2>&1"):format(self.cli, node.port, words))
end


local function is_settled(self, node)
  return self:command(node, "cluster info"):find("cluster_state:ok", 1, true)
    and not self:command(node, "info replication")
      :find("master_link_status:down", 1, true)
end


-- The masters' slots as a node sees them: lines of an id and ranges.
local function slots_seen(self, node)
  local lines = {}
  for id, slots in self:command(node, "cluster nodes")
    :gmatch "(%x+) 127%S+ [^\n]*connected([^\n]*)" do
    slots = slots:gsub(" %[.-%]", "")
    if slots:find "%d" then lines[#lines + 1] = id .. slots end
  end
  table.sort(lines)
  return table.concat(lines, "\n")
end


-- What most nodes see, and the nodes that see something else.
local function slots_agreed(self)
  local seen, count, most = {}, {}, nil
  for _, node in ipairs(self.nodes) do
    if not node.gone then
      local text = slots_seen(self, node)
      seen[node], count[text] = text, (count[text] or 0) + 1
      if not most or count[text] > count[most] then most = text end
    end
  end
  local others = {}
  for node, text in pairs(seen) do
    if text ~= most then others[#others + 1] = node end
  end
  return most, others
end


-- Tells nodes whose each slot is.
local function tell_slots(self, text, nodes)
  local path = self.folder .. "/slots"
  local file = assert(io.open(path, "w"))
  for id, ranges in text:gmatch "(%x+)([^\n]*)" do
    for first, last in (ranges .. " "):gmatch " (%d+)%-?(%d*)%f[ ]" do
      for slot = first, tonumber(last) or first do
        file:write(("cluster setslot %d node %s\n"):format(slot, id))
      end
    end
  end
  file:close()
  for _, node in ipairs(nodes) do
    quietly(("timeout 20 %s -p %d <%s"):format(self.cli, node.port, path))
  end
end


-- Once a node has lost a slot that it has just been given, to an older claim, the nodes
-- disagree for ever: redis-cli --cluster fix does not see it.
local function agree(self, patient)
  local text, others = slots_agreed(self)
  if #others > 0 and not patient then tell_slots(self, text, others) end
  return #others == 0
end


--- Waits until all nodes see the same slots, all of them served, and each replica is in
--- sync. A node with the field `gone` is left out.
function Cluster:settled()
  for i = 1, 500 do
    local good = agree(self, i % 50 > 0)
    for _, node in ipairs(self.nodes) do
      good = good and (node.gone or is_settled(self, node))
    end
    if good then return true end
    os.execute "sleep 0.02"
  end
  return false
end


--- Sends a signal to a node's process: "KILL", "STOP", "CONT".
function Cluster:signal(node, name)
  os.execute(("kill -%s %d 2>/dev/null"):format(name, node.pid))
end


--- The nodes that are masters with slots, as the first node that replies sees them.
function Cluster:masters()
  local masters = {}
  for _, node in ipairs(self.nodes) do
    local lines = self:command(node, "cluster nodes")
    local line = ":(%d+)@%d+%S* (%S+) [^\n]*connected([^\n]*)"
    for port, flags, slots in lines:gmatch(line) do
      if flags:find "master" and not flags:find "fail" and slots:find "%d" then
        for _, other in ipairs(self.nodes) do
          if other.port == tonumber(port) then masters[#masters + 1] = other end
        end
      end
    end
    if #masters > 0 then return masters end
  end
  return masters
end


--- The id of a node.
function Cluster:id(node)
  node.id = node.id or self:command(node, "cluster myid"):match "%x+"
  return node.id
end


--- Moves slots from one master to another. On a busy machine the nodes may take a while
--- to agree, and redis-cli refuses until they do.
function Cluster:move(slots, from, to)
  for _ = 1, 4 * TRIES do
    if quietly(("%s --cluster reshard 127.0.0.1:%d --cluster-from %s --cluster-to %s "
      .. "--cluster-slots %d --cluster-yes --cluster-pipeline 10")
      :format(self.cli, to.port, self:id(from), self:id(to), slots)) then
      return self:settled()
    end
    quietly(("%s --cluster fix 127.0.0.1:%d"):format(self.cli, to.port))
    os.execute "sleep 0.5"
  end
  return false
end


--- A node joins, as a master without slots.
---@return table? node
function Cluster:grow()
  local first = self.nodes[1]
  for _ = 1, TRIES do
    local node = launch(self, Ports.row())
    local added = answers(self, node) and quietly(("%s --cluster add-node "
      .. "127.0.0.1:%d 127.0.0.1:%d"):format(self.cli, node.port, first.port))
    if added and self:settled() then return node end
    self:signal(node, "KILL")
    table.remove(self.nodes)
  end
end


--- A node without slots leaves, and its server ends.
function Cluster:shrink(node)
  local first = self.nodes[1]
  node.gone = self:settled() and quietly(("%s --cluster del-node 127.0.0.1:%d %s")
    :format(self.cli, first.port, self:id(node)))
  self:signal(node, "KILL")
  return node.gone
end


--- Moves slots there and back again, so many times in all, without waiting for it.
--- Then the file `done` is there.
function Cluster:move_in_background(times, slots, from, to, done)
  os.execute(([[(
    from=%s to=%s
    for i in $(seq %d); do
      env -u LD_PRELOAD %s --cluster reshard 127.0.0.1:%d --cluster-from $from \
        --cluster-to $to --cluster-slots %d --cluster-yes --cluster-pipeline 10
      kept=$from from=$to to=$kept
    done
    touch %s) >/dev/null 2>&1 &]]):format(self:id(from), self:id(to), times, self.cli,
    to.port, slots, done))
end


function Cluster:kill_all()
  for _, node in ipairs(self.nodes) do self:signal(node, "KILL") end
end


--- Ends the servers and removes their files.
function Cluster:stop()
  self:kill_all()
  os.execute("rm -rf " .. self.folder)
end


return Cluster
