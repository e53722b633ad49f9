-- serve/config.lua: CONFIG GET, in the names of Redis where there is such a thing:
-- clients and benchmarks read save, appendonly, maxclients, maxmemory, timeout,
-- databases.

local glob = require "weir.serve.glob"
local subcommands = require "weir.serve.subcommands"

local Subs = {}


-- What there is to get: { name, value }, sorted by name.
local function settings(server)
  local o, limits = server.options, server.limits
  local function yes(x) return x and "yes" or "no" end
  return {
    { "appendonly", "no" },
    { "cluster-enabled", yes(o.cluster) },
    { "databases", tostring(#server.stores) },
    { "errors", o.errors },
    { "maxclients", tostring(tonumber(limits.max_clients)) },
    { "maxmemory", "0" },
    { "maxmemory-clients", tostring(tonumber(limits.max_memory)) },
    { "maxmemory-policy", "noeviction" },
    { "pidfile", o.pidfile or "" },
    { "proto-max-bulk-len", tostring(tonumber(limits.max_value)) },
    { "replica-read-only", yes(o.read_only) },
    { "save", "" },
    { "timeout", ("%d"):format(o.idle_timeout) },
  }
end


function Subs.get(call)
  if #call.args < 3 then
    return call.out:error(subcommands.wrong_count("config", "get"))
  end
  local found = {}
  for _, row in ipairs(settings(call.server)) do
    for i = 3, #call.args do
      if glob(call.args[i]:lower(), row[1]) then
        found[#found + 1] = row
        break
      end
    end
  end
  call.out:map(#found)
  for _, row in ipairs(found) do
    call.out:bulk(row[1])
    call.out:bulk(row[2])
  end
end


function Subs.set(call)
  call.out:error("ERR CONFIG SET is refused: options are of weir serve, stores are "
    .. "of the policy file; change it and say WEIR RELOAD")
end


function Subs.resetstat(call)
  call.server.info:reset()
  call.out:simple "OK"
end


return { config = subcommands.of("config", Subs) }
