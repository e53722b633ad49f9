-- app/bench/redis_server.lua: a redis-server of one's own on a free port of 127.0.0.1
-- and on a unix socket, holding all in memory. For benchmarks and specs.
local Ports = require "weir.app.bench.ports"

local Server = {}
Server.__index = Server

local TRIES = 5


local function output(command)
  local pipe = assert(io.popen(command))
  local line = pipe:read "*l"
  pipe:close()
  return line
end


--- wait repeats a command until it succeeds, for 20 seconds at most. false: it did not,
--- or that process has ended.
function Server.wait(pid, command)
  return os.execute(([[
    stop=$(($(date +%%s) + 20))
    while grep -q "^State:.[^ZX]" /proc/%d/status && [ $(date +%%s) -lt $stop ]; do
      %s && exit 0
      sleep 0.02
    done >/dev/null 2>&1
    exit 1]]):format(pid, command)) == 0
end


-- What the server is told to use TLS, with a certificate in that folder.
local function tls_words(port, folder)
  return ("--tls-port %d --tls-auth-clients no --tls-cert-file %s/cert.pem"
    .. " --tls-key-file %s/key.pem --tls-ca-cert-file %s/cert.pem"):format(port,
    folder, folder, folder)
end


local function launch(self, options, tls)
  self.port = Ports.row(2)
  self.url = ("redis://127.0.0.1:%d"):format(self.port)
  self.tls_url = tls and ("rediss://127.0.0.1:%d?ca=%s/cert.pem"):format(self.port + 1,
    tls)
  self.pid = tonumber(output(([[
    redis-server --port %d --bind 127.0.0.1 --unixsocket %s --dir %s --save '' \
      --loglevel warning %s %s >%s/log 2>&1 & echo $!]]):format(self.port,
    self.socket, self.folder, options, tls and tls_words(self.port + 1, tls) or "",
    self.folder)))
end


-- The last lines of what the server wrote.
local function last_words(self)
  local pipe = assert(io.popen(("tail -n 4 %s/log 2>&1"):format(self.folder)))
  local text = pipe:read "*a"
  pipe:close()
  return text
end


--- Starts a server with further options as on its command line, and waits until it
--- replies. tls: a folder with cert.pem and key.pem. nil and a reason: it cannot.
---@param options string?
---@param tls string?
---@return table? server with port, socket, url, unix_url, tls_url (if tls), pid
---@return string? reason
function Server.start(options, tls)
  if os.execute "command -v redis-server >/dev/null 2>&1" ~= 0 then
    return nil, "no redis-server here: apt-get install redis-server"
  end
  local self = setmetatable({ folder = output "mktemp -d" }, Server)
  self.socket = self.folder .. "/socket"
  for _ = 1, TRIES do
    launch(self, options or "", tls)
    local ping = ("timeout 2 redis-cli -s %s ping"):format(self.socket)
    if Server.wait(self.pid, ping) then
      self.unix_url = "redis+unix://" .. self.socket
      return self
    end
    self:signal "KILL"
  end
  local why = last_words(self)
  self:stop()
  return nil, "redis-server does not start: " .. why
end


--- Sends a signal to the server: "KILL", "STOP", "CONT".
function Server:signal(name)
  os.execute(("kill -%s %d 2>/dev/null"):format(name, self.pid))
end


--- Ends the server and removes its files.
function Server:stop()
  self:signal "KILL"
  os.execute("rm -rf " .. self.folder)
end


return Server
