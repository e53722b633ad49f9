-- serve/ports.lua: the sockets of a server of several processes. The supervisor opens
-- them, so that a client which connects while a process starts again waits for it.

local ffi = require "ffi"
local Ffi = require "weir.ffi"
local Host = require "weir.host"
local S = Ffi.serve()

local Ports = {}

local LAST = 65535

-- Where free ports that follow each other are looked for, and how often: below those
-- that Linux gives to clients.
local FREE_FROM, FREE_TO, TRIES = 10000, 32000, 100

local failure = ffi.new "struct weir_error"


local function close(fds)
  for _, fd in ipairs(fds) do Ffi.C.weir_close_fd(fd) end
end


-- Sockets at n ports from a first one on; nil and why not.
local function open_from(host, port, n)
  local fds = {}
  if port + n - 1 > LAST then
    return nil, ("cannot listen at %s:%d: %d processes need %d ports from it on")
      :format(host, port, n, n)
  end
  for i = 1, n do
    local address = ("%s:%d"):format(host, port + i - 1)
    fds[i] = S.weir_serve_socket(address, 0, failure)
    if fds[i] < 0 then
      fds[i] = nil
      close(fds)
      return nil, ffi.string(failure.message)
    end
  end
  return fds
end


local function open_free(host, n)
  local fds, why
  for _ = 1, TRIES do
    local port = FREE_FROM + math.floor(Host.random() * (FREE_TO - FREE_FROM))
    fds, why = open_from(host, port, n)
    if fds then break end
  end
  return fds, why
end


--- Opens n sockets at the port of an address and those that follow. Raises what is
--- wrong.
---@param address string HOST:PORT; of port 0 any free ones are taken
---@return integer[] fds
function Ports.open(address, n)
  local host, port = address:match "^([^:]*):(%d+)$"
  if not host then host, port = address:match "^(%[[%x:.]+%]):(%d+)$" end
  if not host then
    error(("cannot listen at %s: --processes takes HOST:PORT or [IPV6]:PORT")
      :format(address), 0)
  end
  local fds, why
  if tonumber(port) == 0 then
    fds, why = open_free(host, n)
  else
    fds, why = open_from(host, tonumber(port), n)
  end
  return fds or error(why, 0)
end


--- The address of a socket that Ports.open made for an address.
function Ports.name(address, fd)
  return (address:gsub(":%d+$", ":" .. S.weir_serve_port(fd)))
end


return Ports
