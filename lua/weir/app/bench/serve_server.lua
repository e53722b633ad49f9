-- app/bench/serve_server.lua: a `weir serve`, and a nutcracker, of one's own on free
-- ports. Used by `weir bench serve`.
local Ports = require "weir.app.bench.ports"
local output = require "weir.app.bench.output"

local Servers = {}

-- 50 ms each.
local TRIES = 200


-- What starts a server in a folder; stop() ends it.
local function launch(folder, line)
  local pid = tonumber(output(("%s >%s/out 2>&1 </dev/null & echo $!"):format(line,
    folder)))
  return function()
    os.execute(([[kill %d 2>/dev/null
      while kill -0 %d 2>/dev/null; do sleep 0.05; done
      rm -rf %s]]):format(pid, pid, folder))
  end, pid
end


local function answers(port)
  for _ = 1, TRIES do
    if output(("redis-cli -p %d get x 2>&1"):format(port)) == "\n" then return true end
    os.execute "sleep 0.05"
  end
end


--- Serves a store, or a policy file of this text.
---@return { port: integer, pid: integer, stop: fun() }
function Servers.weir(store, policy)
  local folder = output "mktemp -d":match "%S+"
  if policy then
    store = folder .. "/kv.lua"
    local file = assert(io.open(store, "w"))
    file:write((policy:gsub("FOLDER", folder)))
    file:close()
  end
  local stop, pid = launch(folder,
    ("%s serve '%s' --listen 127.0.0.1:0"):format(arg[0], store))
  for _ = 1, TRIES do
    local port = output("cat " .. folder .. "/out"):match "ready at 127%.0%.0%.1:(%d+)"
    if port and answers(port) then return { port = port, stop = stop, pid = pid } end
    os.execute "sleep 0.05"
  end
  local why = output("cat " .. folder .. "/out")
  stop()
  error("bench serve: weir serve does not start: " .. why, 0)
end


local CONF = [[
bench:
  listen: 127.0.0.1:%d
  redis: true
  servers:
   - 127.0.0.1:%d:1
]]

--- A nutcracker before a redis-server; nil and why not.
function Servers.nutcracker(redis_port)
  if os.execute "command -v nutcracker >/dev/null 2>&1" ~= 0 then
    return nil, "no nutcracker here: apt-get install nutcracker"
  end
  for _ = 1, 5 do
    local folder, port = output "mktemp -d":match "%S+", Ports.row(2)
    local file = assert(io.open(folder .. "/conf.yml", "w"))
    file:write(CONF:format(port, redis_port))
    file:close()
    local stop, pid = launch(folder,
      ("nutcracker -c %s/conf.yml -s %d -m 65536"):format(folder, port + 1))
    if answers(port) then return { port = port, stop = stop, pid = pid } end
    stop()
  end
  return nil, "nutcracker does not start"
end


--- The seconds of CPU that a process has used. pid: a number, or "self".
function Servers.cpu(pid)
  local file = assert(io.open(("/proc/%s/stat"):format(pid)))
  local user, system = file:read "*a":match("%) %a" .. (" %S+"):rep(10)
    .. " (%d+) (%d+)")
  file:close()
  return (user + system) / 100
end


return Servers
