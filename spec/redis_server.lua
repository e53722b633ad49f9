-- redis_server.lua: a redis-server for a spec, on a unix socket in a folder of its
-- own, ended by its pid.
local ffi = require "ffi"
local shell = require "shell"

local Server = {}
Server.__index = Server

local TRIES = 600 -- of 50 ms


--- start runs a server and waits until it answers. `settings`: what it is told on
--- its command line besides. server.line starts it again.
function Server.start(settings)
  local folder = shell.folder()
  local self = setmetatable({
    folder = folder, url = "redis+unix://" .. folder .. "/socket",
  }, Server)
  self.line = ("env -u LD_PRELOAD redis-server --port 0 --unixsocket %s/socket "
    .. "--daemonize yes --save '' --dir %s --pidfile %s/pid --logfile %s/log %s")
    :format(folder, folder, folder, folder, settings or "")
  local _, said, complaint = shell.run(self.line)
  for _ = 1, TRIES do
    local _, out = self:command "ping"
    if out == "PONG\n" then return self end
    ffi.C.weir_ppoll(nil, 0, ffi.new("struct weir_timespec", 0, 5e7), nil)
  end
  local _, log = shell.run(("tail -n 20 %s/log"):format(folder))
  error("redis-server does not answer: " .. said .. complaint .. log)
end


--- command runs a command by redis-cli.
function Server:command(line)
  return shell.run(("env -u LD_PRELOAD redis-cli -s %s/socket %s")
    :format(self.folder, line))
end


--- close ends the server and removes its folder.
function Server:close()
  self:command "shutdown nosave"
  shell.remove(self.folder)
end


return Server
