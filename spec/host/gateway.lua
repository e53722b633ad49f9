-- gateway.lua: the gateway of examples/nginx for a spec, on a free port, started and
-- ended as its README says.
local Nginx = require "weir.app.bench.nginx"
local Ports = require "weir.app.bench.ports"
local alarm = require "host.alarm"
local http = require "host.http"
local shell = require "shell"

local Gateway = {}
Gateway.__index = Gateway


--- start runs the gateway in a folder of its own and returns when it answers. With a
--- text, that is the policy, and not the example's. environment: "NAME=value".
---@param policy string?
---@param environment string?
function Gateway.start(policy, environment)
  local self = setmetatable({ folder = shell.folder(), port = Ports.free() },
    Gateway)
  self.url = "http://127.0.0.1:" .. self.port
  if policy then shell.write(self.folder .. "/kv.lua", policy) end
  os.execute(("%s examples/nginx/run %d %s >%s/out 2>&1 </dev/null &")
    :format(environment or "", self.port, self.folder, self.folder))
  assert(Nginx.eventually(function() return (self:get "/kv/none") == 404 end),
    self:slurp "out")
  return self
end


--- slurp returns what is in a file of its folder.
function Gateway:slurp(name)
  local file = assert(io.open(self.folder .. "/" .. name))
  local text = file:read "*a"
  file:close()
  return text
end


--- get returns the status and the body of an answer; curl's further options.
function Gateway:get(path, options)
  return http.get(self.url .. path, options)
end


function Gateway:pid()
  return self:slurp "nginx.pid":match "%d+"
end


--- mapping returns the file of its memory.
function Gateway:mapping()
  return "/dev/shm/weir." .. self:slurp "shm.name":match "[^\n]+"
end


--- workers returns how many there are, those that leave too, and their pids.
function Gateway:workers()
  local _, text = shell.run("ps -o pid= --ppid " .. self:pid())
  return select(2, text:gsub("%d+", "")), (text:gsub("%s+", " "))
end


function Gateway:signal(name)
  shell.run(("kill -%s %s"):format(name, self:pid()))
end


--- with_workers reloads with so many workers, and waits for them.
function Gateway:with_workers(n)
  local conf = self:slurp "nginx.conf"
  shell.write(self.folder .. "/nginx.conf",
    (conf:gsub("worker_processes %w+;", ("worker_processes %d;"):format(n))))
  self:signal "HUP"
  assert(Nginx.eventually(function() return self:workers() == n end))
end


--- stop ends it gracefully, and fails when its log tells of a crash.
function Gateway:stop()
  local process = self:pid()
  self:signal "QUIT"
  assert(Nginx.eventually(function()
    return (shell.run("kill -0 " .. process)) ~= 0
  end))
  local log = self:slurp "error.log"
  os.remove(self:mapping())
  shell.remove(self.folder)
  assert(not alarm(log), alarm(log))
end


return Gateway
