-- serve/pauses.lua: tells who runs a server that clients are not accepted, because
-- descriptors or memory are short. The listener tries again every second.

local Pauses = {}
Pauses.__index = Pauses

-- What the last lack was, by its errno.
local LACKING = {
  [12] = "memory is short", -- ENOMEM
  [23] = "the system has no file descriptors left (fs.file-max)", -- ENFILE
  [24] = "the process has no file descriptors left; raise ulimit -n (LimitNOFILE= of "
    .. "systemd) or lower --maxclients", -- EMFILE
  [105] = "the system has no memory for sockets", -- ENOBUFS
}

-- A pause within so many seconds after another one is not told.
local QUIET = 60


--- Makes the state of a server. say(sentence) writes a line to the log.
function Pauses.new(say)
  return setmetatable({ say = say, seen = 0, last = -math.huge }, Pauses)
end


--- Looks at the statistics of the listener; called about once a second.
---@param stats ffi.cdata* struct weir_server_stats
function Pauses:look(stats, now)
  local n = tonumber(stats.pauses)
  if n == self.seen then return end
  if now - self.last > QUIET then
    self.say("new clients must wait: " .. LACKING[tonumber(stats.lacking)])
  end
  self.seen, self.last = n, now
end


return Pauses
