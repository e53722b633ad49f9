-- policy/ttl/shared.lua: what ttl knows of values past their time over a store that
-- processes share (shm, or a word over one). A process cannot remember when a value
-- stops being fresh, since another one may set a new value at any time. So that is
-- worked out from the time that the store says is left. The lease to refresh a value is
-- the store's, too: one process of a machine refreshes it, and if that one dies the
-- next one does. Used by ttl.

local Expiring = require "weir.policy.shared.expiring"
local host = require "weir.host"
local Request = require "weir.core.request"

local Shared = {}
Shared.__index = Shared

-- Leases to refresh are those of keys with this in front: fetch has leases of the keys.
local NAME = "ttl\0"


--- keep: the seconds that a value lives past its time. most: leases remembered; of
--- others a set does not end the lease early.
function Shared.new(child, keep, most)
  return setmetatable({ child = child, guard = child.guard, keep = keep,
    leases = Expiring.new(most) }, Shared)
end


-- Until when a value is fresh; nil: it never expires, or the store does not know. One
-- that has gone meanwhile was at its end.
local function fresh_until(self, facts, j, now)
  if facts[j] == "miss" then return now - self.keep end
  local left = facts[j] == "ok" and facts:ttl(j)
  return left and now + left - self.keep or nil
end


--- Until when the values of a reply are fresh, by slot.
function Shared:times(req, reply)
  local keys, slots, times = {}, {}, {}
  for i = 1, req.n do
    if reply[i] == "ok" then
      slots[#slots + 1], keys[#keys + 1] = i, req.keys[i]
    end
  end
  if #slots == 0 then return times end
  local asked = Request.plain("stat", keys, #keys)
  asked.deadline = req.deadline
  local facts, now = self.child:run(asked), host.now()
  for j, i in ipairs(slots) do times[i] = fresh_until(self, facts, j, now) end
  return times
end


--- Whether this process is to refresh a value. The lease lasts so many seconds at most.
function Shared:acquire(key, seconds)
  local answer, lease = self.guard:lease(NAME .. key, seconds)
  if answer == "ok" then self.leases:put(key, lease) end
  return answer == "ok" or answer == "lost"
end


--- Ends an own lease, if there is one. pause: after a refresh that failed, the seconds
--- for which nobody gets a lease.
function Shared:release(key, pause)
  local lease = self.leases:get(key)
  if not lease then return end
  self.leases:drop(key)
  if not pause then return self.guard:settle(NAME .. key, lease, "stored") end
  self.guard:settle(NAME .. key, lease, "absent", pause,
    self.guard:look_one(NAME .. key))
end


return Shared
