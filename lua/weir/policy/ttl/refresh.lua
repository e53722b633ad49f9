-- policy/ttl/refresh.lua: how ttl treats a value past its time. One caller, or a
-- background task, makes a new value under a lease. All others get the old one, marked
-- stale.

local host = require "weir.host"
local Lent = require "weir.policy.shared.lent"
local Request = require "weir.core.request"

local Refresh = {}


-- Stores a value, unless a process has written the key since the ticket was given.
-- Returns whether it is written.
local function set_with_ticket(self, key, value, ticket)
  local req = Request.new("set", { key })
  req:with_value(value, 2)
  req.tickets = { ticket }
  local name = self:run(req)[1]
  return name == "ok" or name == "skipped"
end


-- Makes a new value and stores it, unless the key was written meanwhile. Returns
-- whether the refresh succeeded.
local function renew(self, key)
  local since = self.generations:now()
  local ticket = self.guard and self.guard:look_one(key)
  local value = self.refresh(key)
  if self.generations:written_since(key, since) then return true end
  if value == nil then return false end
  if ticket then return set_with_ticket(self, key, value, ticket) end
  return self:set(key, value)
end


local function refresh(self, key)
  local ok, stored = pcall(renew, self, key)
  local pause = not (ok and stored) and self.pause * (1 + host.random()) or nil
  if pause then self.counts.failed = self.counts.failed + 1 end
  if self.shared then
    self.shared:release(key, pause)
  elseif pause then
    self.times:lease(key, host.now() + pause)
  end
end


-- Whether this caller, or a task of this process, is to make the new value.
local function acquire(self, key, now)
  if self.shared then return self.shared:acquire(key, self.lease) end
  if self.times:leased(key, now) then return false end
  self.times:lease(key, now + self.lease)
  return true
end


-- Makes the caller of slot i refresh the value: it gets a miss.
local function send_down(self, req, reply, i, late)
  if late < self.stale_if_error then
    reply:note("held", i, Lent.keep(req, reply, i))
  end
  reply:drop(i)
  reply:set(i, "miss", { stale = true })
end


--- Serves the value of slot i, which was fresh until `by`, or makes this caller refresh
--- it.
function Refresh.past(self, req, reply, i, now, by)
  local key, late = req.keys[i], now - by
  local mine = acquire(self, key, now)
  if mine then
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
