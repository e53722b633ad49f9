-- policy/ttl/times.lua: until when values are fresh, for a bounded number of keys, and
-- which keys have a lease for a refresh. A known key is never pushed out by another
-- one, since a value whose time was forgotten would be served past it. Used by ttl.

local host = require "weir.host"

local Times = {}
Times.__index = Times

local PAUSE = 1 -- seconds between two sweeps for expired values


--- most: the bound of keys. keep: the seconds that a value lives past its time.
function Times.new(most, keep)
  return setmetatable({ most = most, keep = keep, count = 0, fresh = {}, leases = {},
    next_sweep = 0 }, Times)
end


--- The time until which the value of a key is fresh; nil: not known.
function Times:get(key)
  return self.fresh[key]
end


function Times:drop(key)
  if not self.fresh[key] then return end
  self.fresh[key], self.leases[key] = nil, nil
  self.count = self.count - 1
end


-- Forgets values that have expired.
local function sweep(self)
  local now = host.now()
  if now < self.next_sweep then return end
  self.next_sweep = now + PAUSE
  for key, time in pairs(self.fresh) do
    if time + self.keep <= now then self:drop(key) end
  end
end


--- Whether the time of a key can be noted, beside those of `more` new ones.
function Times:room(key, more)
  if self.fresh[key] then return true end
  if self.count + more >= self.most then sweep(self) end
  return self.count + more < self.most
end


--- Notes a time. Callers check room first. Sets in flight at once may exceed the bound
--- by their own number.
function Times:put(key, time)
  if not self.fresh[key] then self.count = self.count + 1 end
  self.fresh[key] = time
end


--- Whether there is a lease to refresh a key.
function Times:leased(key, now)
  local by = self.leases[key]
  return by ~= nil and by > now
end


--- Sets the lease of a key until a time; nil ends it.
function Times:lease(key, by)
  if self.fresh[key] then self.leases[key] = by end
end


return Times
