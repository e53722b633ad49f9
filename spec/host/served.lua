-- served.lua: an nginx for a spec, with weir in its workers.
local Nginx = require "weir.app.bench.nginx"
local alarm = require "host.alarm"
local shell = require "shell"

local Served = {}

-- Queued stores in memory: one that answers at once, one that takes its time; and
-- one that answers in place.
Served.STORES = [[
  quick = weir.memory { capacity = "64MiB", inline = false, workers = 2 }
  slow = weir.open("fault", { target = "memory", delay = "3ms", workers = 16 })
  here = weir.memory { capacity = "64MiB" }
  here:set("a", "value")
]]

-- For a location: what is in flight, as Lua sees it and as C does.
Served.COUNTS = [[
  collectgarbage() collectgarbage()
  local flight = require "weir.native.inflight"
  local inflight = quick:stats().inflight.batches + slow:stats().inflight.batches
  return ("%d %d"):format(flight.count(), inflight)
]]


--- start starts an nginx whose workers run `init` and serve the locations.
function Served.start(opts)
  local http_part = { "lua_check_client_abort on;", opts.http or "" }
  if opts.init then
    http_part[#http_part + 1] = "init_worker_by_lua_block { weir = require 'weir' "
      .. opts.init .. "\n}"
  end
  local copy = {}
  for name, value in pairs(opts) do copy[name] = value end
  copy.http = table.concat(http_part, "\n")
  return Nginx.start(copy)
end


--- location returns one that answers what the Lua code returns.
function Served.location(path, code)
  return ([[
    location %s { content_by_lua_block {
      local function answer()
        %s
      end
      ngx.print(tostring(answer()))
    } }]]):format(path, code)
end


--- ends_by returns whether nginx ends when it is told to.
function Served.ends_by(server, signal)
  server:signal(signal)
  return Nginx.eventually(function() return not server:runs() end)
end


--- stop ends nginx and looks into its log when all has ended: workers crash while
--- they leave, too.
function Served.stop(server)
  local graceful = Served.ends_by(server, "QUIT")
  if not graceful then Served.ends_by(server, "TERM") end
  local log = server:log()
  server:stop()
  assert(not alarm(log), alarm(log))
  assert(graceful, "nginx does not end by QUIT")
end


--- count returns how many lines a command prints.
function Served.count(line)
  local _, text = shell.run(line .. " | wc -l")
  return tonumber(text)
end


return Served
