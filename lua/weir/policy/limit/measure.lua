-- policy/limit/measure.lua: the times and sizes that a limit measures, and whether a
-- request can be answered before its deadline. `self` is the node of the limit. Used by
-- limit.

local host = require "weir.host"
local Permits = require "weir.policy.limit.permits"

local Measure = {}

-- The weight of a new observation in a moving mean.
local WEIGHT = 0.05

-- Statuses that say that the store has too much to do.
local OVERLOAD = { busy = true, timeout = true, unavailable = true }

local function overloaded(reply)
  if reply.good == reply.n then return false end
  for i = 1, reply.n do
    if OVERLOAD[reply[i]] then return true end
  end
  return false
end


--- Counts a reply that took `seconds`, while so many keys were in flight.
function Measure.add(self, req, reply, seconds, inflight)
  self.mean_seconds = self.mean_seconds + WEIGHT * (seconds - self.mean_seconds)
  local values = Permits.reads_values(req.op)
  local good = values and (reply.good or reply:count "good") or 0
  if good > 0 then
    local size = reply:bytes() / good
    self.mean_size = self.mean_size + WEIGHT * (size - self.mean_size)
  end
  if not self.adaptive and not self.service or reply:all "skipped" then return end
  if self.service then self.service:add(req.op, seconds, reply:any "timeout") end
  if self.adaptive then
    self.adaptive:add(seconds, inflight, overloaded(reply))
    self.most_keys = self.adaptive:current()
  end
end


--- The latest time at which a request may begin, or nil.
function Measure.latest(self, req)
  local expected = self.service and self.service:expected(req.op) or 0
  return req.deadline and req.deadline - expected
end


-- The seconds until a batch that does not fit gets its turn, if each batch in flight
-- takes the time that is usual.
local function expected_wait(self, req, expected)
  local ahead = self.options.order == "lifo" and 0 or #self.waiting
  return math.max(Permits.tokens_after(self, req.n),
    (ahead + 1) * expected / math.max(self.calls, 1))
end


--- Why a request cannot be answered before its deadline, or nil: it can. When nothing
--- is in flight a request may go as a trial. fits: it need not wait.
function Measure.too_late(self, req, fits)
  local expected = req.deadline and self.service:expected(req.op)
  if not expected then return nil end
  local left = req.deadline - host.now()
  local wait = fits and 0 or expected_wait(self, req, expected)
  if left >= wait + expected then return nil end
  if fits and self.calls == 0 and self.service:may_try() then return nil end
  return ("a %s takes about %.3g s, with %.3g s to wait, and %.3g s are left"):format(
    req.op, expected, wait, left)
end


return Measure
