-- policy/failover/stand_ins.lua: the keys of which one store may hold a copy because it
-- stood in for another one. The option stand_ins of failover bounds their number. When
-- there is no room for a key, the key must not be sent to the store, and that is
-- counted. A key is forgotten when its copy was deleted, when its time to live is over,
-- or when the store answers miss. In the last two cases it is kept LATE seconds longer,
-- since a set whose reply did not come in time may still be applied. Used by failover.

local host = require "weir.host"
local Suspects = require "weir.policy.shared.suspects"

local StandIns = setmetatable({}, { __index = Suspects })
StandIns.__index = StandIns

local LATE = 60 -- seconds
local PAUSE = 1 -- seconds between two attempts to make room


function StandIns.new(most)
  return setmetatable({ known = { keys = {}, count = 0, cleared = 0 }, most = most,
    refused = 0, next_sweep = 0 }, StandIns)
end


-- Forgets what has expired.
local function sweep(self)
  local now = host.now()
  if now < self.next_sweep then return end
  for key, stray in pairs(self.known.keys) do
    if stray.ends <= now then self:clear(key) end
  end
  self.next_sweep = now + PAUSE
end


--- A copy that may be there lives at least as long as this.
function StandIns:prolong(key, ttl)
  local stray = self:has(key) and self.known.keys[key]
  if not stray then return end
  stray.ends = math.max(stray.ends, ttl and host.now() + ttl + LATE or math.huge)
end


--- A key is sent to the store, to live that long. False: there is no room for it.
function StandIns:add(key, ttl)
  local known = self.known
  if not known.keys[key] then
    if known.count >= self.most then sweep(self) end
    if known.count >= self.most then
      self.refused = self.refused + 1
      return false
    end
    known.keys[key] = { ends = 0 }
    known.count = known.count + 1
  end
  known.keys[key].sent = host.now()
  self:prolong(key, ttl)
  return true
end


--- The store answered that it misses a key which nobody is writing.
function StandIns:missed(key)
  local stray = self:has(key) and self.known.keys[key]
  if stray and stray.sent + LATE <= host.now() then self:clear(key) end
end


return StandIns
