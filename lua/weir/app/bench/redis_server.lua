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


-- Waits until the server replies on its socket. false: it has ended because its port
-- was not free.
local function answers(self)
  return os.execute(([[
    for i in $(seq 250); do
      redis-cli -s %s ping >/dev/null 2>&1 && exit 0
      kill -0 %d 2>/dev/null || exit 1
      sleep 0.02
    done
    exit 1]]):format(self.socket, self.pid)) == 0
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
      --loglevel warning %s %s >/dev/null 2>&1 & echo $!]]):format(self.port,
    self.socket, self.folder, options, tls and tls_words(self.port + 1, tls) or "")))
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
    if answers(self) then
      self.unix_url = "redis+unix://" .. self.socket
      return self
    end
  end
  self:stop()
  return nil, "redis-server does not start"
end


--- Ends the server and removes its files.
function Server:stop()
  os.execute(("kill -9 %d 2>/dev/null"):format(self.pid))
  os.execute("rm -rf " .. self.folder)
end


return Server
