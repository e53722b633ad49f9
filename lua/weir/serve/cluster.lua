-- serve/cluster.lua: what clients of Redis Cluster ask a server of --processes: which
-- process owns which hash slots, and at which port. Process i of n listens at the port
-- of the first one + i. All of them tell the same, whether or not the others are up.

local ffi = require "ffi"
local subcommands = require "weir.serve.subcommands"
local S = require("weir.ffi").serve()

local Cluster = {}

local SLOTS = 16384

local DISABLED = "ERR This instance has cluster support disabled"


--- The slots of process i of n, counted from 0.
---@return integer first, integer last
function Cluster.slots(i, n)
  return S.weir_serve_first_slot(i, n), S.weir_serve_first_slot(i + 1, n) - 1
end


-- The host and the port by which a client came.
local function reached(client)
  local host, port = ffi.string(client["local"]):match "^%[?(.-)%]?:(%d+)$"
  return host, tonumber(port)
end


-- All processes as a client sees them: { id, host, port, first, last, mine }.
local function nodes(call)
  local cluster, options = call.server.options.cluster, call.server.options
  local host, port = reached(call.client)
  local list = {}
  for i = 0, cluster.n - 1 do
    local first, last = Cluster.slots(i, cluster.n)
    list[i + 1] = {
      id = ("%s%08x"):format(cluster.run, i), host = options.announce or host,
      port = port + i - cluster.self, first = first, last = last,
      mine = i == cluster.self,
    }
  end
  return list
end


local Subs = {}

function Subs.info(call)
  local cluster, lines = call.server.options.cluster, {}
  for i, row in ipairs {
    { "cluster_state", "ok" }, { "cluster_slots_assigned", SLOTS },
    { "cluster_slots_ok", SLOTS }, { "cluster_slots_pfail", 0 },
    { "cluster_slots_fail", 0 }, { "cluster_known_nodes", cluster.n },
    { "cluster_size", cluster.n }, { "cluster_current_epoch", cluster.n },
    { "cluster_my_epoch", cluster.self + 1 }, { "cluster_stats_messages_sent", 0 },
    { "cluster_stats_messages_received", 0 },
    { "total_cluster_links_buffer_limit_exceeded", 0 },
  } do
    lines[i] = ("%s:%s\r\n"):format(row[1], row[2])
  end
  call.out:text(table.concat(lines))
end


function Subs.myid(call)
  call.out:bulk(nodes(call)[call.server.options.cluster.self + 1].id)
end


function Subs.nodes(call)
  local lines = {}
  for i, node in ipairs(nodes(call)) do
    lines[i] = ("%s %s:%d@%d %smaster - 0 0 %d connected %d-%d\n"):format(node.id,
      node.host, node.port, node.port + 10000, node.mine and "myself," or "", i,
      node.first, node.last)
  end
  call.out:text(table.concat(lines))
end


function Subs.slots(call)
  local list, out = nodes(call), call.out
  out:array(#list)
  for _, node in ipairs(list) do
    out:array(3)
    out:integer(node.first)
    out:integer(node.last)
    out:array(4)
    out:bulk(node.host)
    out:integer(node.port)
    out:bulk(node.id)
    out:array(0)
  end
end


local function tell_shard(out, node, port_name)
  out:map(2)
  out:bulk "slots"
  out:array(2)
  out:integer(node.first)
  out:integer(node.last)
  out:bulk "nodes"
  out:array(1)
  out:map(7)
  out:bulk "id"
  out:bulk(node.id)
  out:bulk(port_name)
  out:integer(node.port)
  for _, field in ipairs { "ip", "endpoint" } do
    out:bulk(field)
    out:bulk(node.host)
  end
  out:bulk "role"
  out:bulk "master"
  out:bulk "replication-offset"
  out:integer(0)
  out:bulk "health"
  out:bulk "online"
end


function Subs.shards(call)
  local list = nodes(call)
  local port_name = call.server.options.tls_cert and "tls-port" or "port"
  call.out:array(#list)
  for _, node in ipairs(list) do tell_shard(call.out, node, port_name) end
end


function Subs.keyslot(call)
  local key = call.args[3]
  if not key or #call.args > 3 then
    return call.out:error(subcommands.wrong_count("cluster", "keyslot"))
  end
  call.out:integer(S.weir_serve_slot(key, #key))
end


-- What Redis has and this server has not, by why.
local REFUSED = {}
for why, names in pairs {
  ["stores have no list of keys by slot; SCAN lists the keys of a process"] =
    "countkeysinslot getkeysinslot",
  ["slots do not move; --processes spreads them"] =
    "addslots addslotsrange delslots delslotsrange flushslots setslot meet forget "
    .. "reset",
  ["there are no replicas"] = "failover replicate replicas slaves",
} do
  for name in names:gmatch "%S+" do REFUSED[name] = why end
end


local run = subcommands.of("cluster", Subs)

function Cluster.cluster(call)
  if not call.server.options.cluster then return call.out:error(DISABLED) end
  local word = (call.args[2] or ""):lower()
  if not REFUSED[word] then return run(call) end
  call.out:error(("ERR CLUSTER %s is refused: %s"):format(word:upper(), REFUSED[word]))
end


-- Replies OK in a cluster: there are no replicas to read from, and no slot ever moves.
local function accept(call)
  if not call.server.options.cluster then return call.out:error(DISABLED) end
  call.out:simple "OK"
end

Cluster.readonly, Cluster.readwrite, Cluster.asking = accept, accept, accept

return Cluster
