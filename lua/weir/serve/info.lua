-- serve/info.lua: INFO: what redis-cli --stat, exporters and clients read.

local ffi = require "ffi"
local Host = require "weir.host"
local Keys = require "weir.serve.keys"
local C = require("weir.ffi").C
local S = require("weir.ffi").serve()

local Info = {}
Info.__index = Info

local ORDER = { "server", "clients", "memory", "persistence", "stats", "replication",
  "cpu", "errorstats", "cluster", "keyspace" }
local EXTRA = { "commandstats" } -- with ALL and EVERYTHING


--- What INFO counts over time; one for a server.
function Info.new(server)
  local self = setmetatable({ server = server, begun = Host.now(), peak = 0 }, Info)
  self.now, self.before = ffi.new "struct weir_server_stats", nil
  self.base = ffi.new "struct weir_server_stats"
  self.last = { at = Host.now(), commands = 0, bytes_in = 0, bytes_out = 0 }
  self.rate = { commands = 0, bytes_in = 0, bytes_out = 0 }
  return self
end


-- A counter since the last CONFIG RESETSTAT.
local function counted(self, name)
  return tonumber(self.now[name] - self.base[name])
end


--- Counts rates; called about once a second.
function Info:tick()
  S.weir_server_stats(self.server.handle, self.now)
  local last, at = self.last, Host.now()
  local seconds = at - last.at
  if seconds < 0.1 then return end
  for name in pairs(self.rate) do
    self.rate[name] = (tonumber(self.now[name]) - last[name]) / seconds
    last[name] = tonumber(self.now[name])
  end
  last.at = at
end


--- CONFIG RESETSTAT.
function Info:reset()
  S.weir_server_stats(self.server.handle, self.base)
  for _, row in ipairs(self.server.registered) do row.calls, row.errors = 0, 0 end
end


-- Resident and peak memory of the process in bytes.
local function memory()
  local found = { VmRSS = 0, VmHWM = 0 }
  local file = io.open "/proc/self/status"
  for line in file and file:lines() or function() end do
    local name, kib = line:match "^(%w+):%s+(%d+) kB"
    if found[name] then found[name] = kib * 1024 end
  end
  if file then file:close() end
  return found.VmRSS, found.VmHWM
end


local function human(bytes)
  local units, i = { "B", "K", "M", "G", "T" }, 1
  while bytes >= 1024 and i < #units do bytes, i = bytes / 1024, i + 1 end
  return (i == 1 and "%.0f%s" or "%.2f%s"):format(bytes, units[i])
end


local Sections = {}

function Sections.server(self)
  local up = math.floor(Host.now() - self.begun)
  return {
    { "redis_version", self.server.REDIS_VERSION },
    { "redis_mode", self.server.options.cluster and "cluster" or "standalone" },
    { "weir_version", ffi.string(C.weir_version()) },
    { "os", "Linux" },
    { "arch_bits", 64 },
    { "multiplexing_api", "epoll" },
    { "process_id", C.weir_getpid() },
    { "run_id", self.server.run_id },
    { "tcp_port", self.server.port },
    { "uptime_in_seconds", up },
    { "uptime_in_days", math.floor(up / 86400) },
    { "config_file", "" },
  }
end


function Sections.clients(self)
  return {
    { "connected_clients", tonumber(self.now.clients) },
    { "cluster_connections", 0 },
    { "maxclients", tonumber(self.server.limits.max_clients) },
    { "blocked_clients", 0 },
    { "clients_not_reading", tonumber(self.now.blocked) },
    { "requests_waiting", tonumber(self.now.waiting) },
    { "accepts_paused", counted(self, "pauses") },
  }
end


function Sections.memory(self)
  local resident, peak = memory()
  return {
    { "used_memory", resident },
    { "used_memory_human", human(resident) },
    { "used_memory_rss", resident },
    { "used_memory_rss_human", human(resident) },
    { "used_memory_peak", peak },
    { "used_memory_peak_human", human(peak) },
    { "used_memory_lua", math.floor(collectgarbage "count" * 1024) },
    { "used_memory_clients", tonumber(self.now.memory) },
    { "maxmemory_clients", tonumber(self.server.limits.max_memory) },
    { "maxmemory", 0 },
    { "maxmemory_policy", "noeviction" },
  }
end


function Sections.persistence()
  return { { "loading", 0 }, { "async_loading", 0 },
    { "rdb_changes_since_last_save", 0 },
    { "rdb_bgsave_in_progress", 0 }, { "rdb_last_bgsave_status", "ok" },
    { "aof_enabled", 0 } }
end


function Sections.stats(self)
  return {
    { "total_connections_received", counted(self, "accepted") },
    { "total_commands_processed", counted(self, "commands") },
    { "instantaneous_ops_per_sec", math.floor(self.rate.commands) },
    { "total_net_input_bytes", counted(self, "bytes_in") },
    { "total_net_output_bytes", counted(self, "bytes_out") },
    { "instantaneous_input_kbps", ("%.2f"):format(self.rate.bytes_in / 1024) },
    { "instantaneous_output_kbps", ("%.2f"):format(self.rate.bytes_out / 1024) },
    { "rejected_connections", counted(self, "refused") },
    { "expired_keys", 0 },
    { "evicted_keys", 0 },
    { "evicted_clients", counted(self, "closed_memory") },
    { "idle_clients_closed", counted(self, "closed_idle") },
    { "protocol_errors", counted(self, "protocol_errors") },
    { "keyspace_hits", counted(self, "hits") },
    { "keyspace_misses", counted(self, "misses") },
    { "fast_path_hits", counted(self, "fast_hits") },
    { "reloads", self.server.reloads },
  }
end


function Sections.replication()
  return { { "role", "master" }, { "connected_slaves", 0 },
    { "master_failover_state", "no-failover" }, { "master_repl_offset", 0 },
    { "repl_backlog_active", 0 } }
end


function Sections.cpu()
  return {
    { "used_cpu_user", ("%.6f"):format(os.clock()) }, { "used_cpu_sys", "0.000000" },
  }
end


function Sections.errorstats(self)
  local lines = {}
  for i, row in ipairs(self.server.registered) do
    if row.errors > 0 then
      lines[#lines + 1] = { "errorstat_" .. self.server.rows[i - 1][1],
        ("count=%d"):format(tonumber(row.errors)) }
    end
  end
  return lines
end


function Sections.commandstats(self)
  local lines = {}
  for i, row in ipairs(self.server.registered) do
    if row.calls > 0 then
      lines[#lines + 1] = { "cmdstat_" .. self.server.rows[i - 1][1],
        ("calls=%d,failed_calls=%d"):format(tonumber(row.calls), tonumber(row.errors)) }
    end
  end
  return lines
end


function Sections.cluster(self)
  return { { "cluster_enabled", self.server.options.cluster and 1 or 0 } }
end


function Sections.keyspace(self)
  local lines = {}
  for i = 1, #self.server.stores do
    local n = Keys.count(self.server:root(i - 1))
    if n and n > 0 then
      lines[#lines + 1] = { "db" .. i - 1, ("keys=%d,expires=0,avg_ttl=0"):format(n) }
    end
  end
  return lines
end


-- The names of the sections that are asked for, in their order.
local function wanted(args)
  local asked, some = {}, #args > 1
  for i = 2, #args do asked[args[i]:lower()] = true end
  if asked.all or asked.everything then some, asked.commandstats = false, true end
  if asked.default then some = false end
  local names = {}
  for _, name in ipairs(ORDER) do
    if not some or asked[name] then names[#names + 1] = name end
  end
  for _, name in ipairs(EXTRA) do
    if asked[name] then names[#names + 1] = name end
  end
  return names
end


--- The text of INFO for its arguments, the name first.
function Info:text(args)
  S.weir_server_stats(self.server.handle, self.now)
  local parts = {}
  for _, name in ipairs(wanted(args)) do
    local lines = { ("# %s%s"):format(name:sub(1, 1):upper(), name:sub(2)) }
    for _, row in ipairs(Sections[name](self)) do
      local value = row[2]
      if type(value) == "number" then value = ("%.0f"):format(value) end
      lines[#lines + 1] = row[1] .. ":" .. value
    end
    parts[#parts + 1] = table.concat(lines, "\r\n") .. "\r\n"
  end
  return table.concat(parts, "\r\n")
end


--- The handler of INFO.
function Info.info(call)
  call.out:text(call.server.info:text(call.args))
end


return Info
