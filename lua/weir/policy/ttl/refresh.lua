-- policy/ttl/refresh.lua: what the word ttl does with a value past its time: one
-- caller, or a background task, makes it anew under a lease; all others get it marked
-- stale.

local host = require "weir.host"

local Refresh = {}


-- Makes the value anew and stores it, unless it was written meanwhile. Whether that
-- came to its end.
local function renew(self, key)
  local since = self.generations:now()
  local value = self.refresh(key)
  if self.generations:written_since(key, since) then return true end
  return value ~= nil and self:set(key, value)
end


local function refresh(self, key)
  local ok, stored = pcall(renew, self, key)
  if ok and stored then return end
  self.counts.failed = self.counts.failed + 1
  self.times:lease(key, host.now() + self.pause * (1 + host.random()))
end


--- A value past its time: served, unless this caller is the one to refresh it.
function Refresh.past(self, reply, i, key, now)
  local mine = not self.times:leased(key, now)
  if mine then
    self.times:lease(key, now + self.lease)
    self.counts.refreshes = self.counts.refreshes + 1
    if self.refresh then host.spawn(refresh, self, key) end
  end
  if mine and not self.refresh then
    reply:drop(i)
    reply:set(i, "miss", { stale = true })
  else
    self.counts.stale = self.counts.stale + 1
    reply:set(i, reply[i], { stale = true })
  end
end


return Refresh
