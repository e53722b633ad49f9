-- app/bench/ports.lua: ports of 127.0.0.1 for servers that have to be told theirs. They
-- lie below those from which the kernel takes the ports of clients (32768 on Linux), so
-- that no client has one while a server is restarted. The same holds for the ports of a
-- cluster's bus, which are 10000 higher.
local Ports = {}

local FIRST, PORTS = 10000, 10000


--- The first of n ports in a row, chosen at random. Others may have them: the caller
--- starts its servers, and takes another row if one of them has ended.
---@param n integer?
---@return integer
function Ports.row(n)
  -- math.random says the same in each process.
  local file = assert(io.open("/dev/urandom", "rb"))
  local high, low = file:read(2):byte(1, 2)
  file:close()
  return FIRST + (high * 256 + low) % (PORTS - (n or 1) + 1)
end


-- Whether a server can listen there.
local function is_free(port)
  local uv = require "luv"
  local socket = uv.new_tcp()
  local free = socket:bind("127.0.0.1", port) and socket:listen(1, function() end)
  socket:close()
  uv.run "nowait"
  return free
end


--- A port on which nothing listens. Needs luv.
---@return integer
function Ports.free()
  local port
  repeat port = Ports.row() until is_free(port)
  return port
end


return Ports
