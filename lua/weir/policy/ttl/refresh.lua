-- policy/ttl/refresh.lua: how ttl treats a value past its time. One caller, or a
-- background task, makes a new value under a lease. All others get the old one, marked
-- stale.

local host = require "weir.host"
local Lent = require "weir.policy.shared.lent"

local Refresh = {}


-- Makes a new value and stores it, unless the key was written meanwhile. Returns
-- whether the refresh succeeded.
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


-- Makes the caller of slot i refresh the value: it gets a miss.
local function send_down(self, req, reply, i, late)
  if late < self.stale_if_error then
    reply:note("held", i, Lent.keep(req, reply, i))
  end
  reply:drop(i)
  reply:set(i, "miss", { stale = true })
end


--- Serves the value of slot i, which is past its time, or makes this caller refresh it.
function Refresh.past(self, req, reply, i, now)
  local key = req.keys[i]
  local late = now - self.times:get(key)
  local mine = not self.times:leased(key, now)
  if mine then
    self.times:lease(key, now + self.lease)
    self.counts.refreshes = self.counts.refreshes + 1
    if self.refresh then host.spawn(refresh, self, key) end
  end
  if late >= self.stale or mine and not self.refresh then
    send_down(self, req, reply, i, late)
  else
    self.counts.stale = self.counts.stale + 1
    reply:set(i, reply[i], { stale = true })
  end
end


return Refresh
