-- policy/breaker/sample.lua: the outcomes of the last calls, of the last seconds. Used
-- by breaker.

local bit = require "bit"
local host = require "weir.host"

local Sample = {}
Sample.__index = Sample

local FAILED, SLOW = 1, 2


--- window: calls at most. period: seconds, or nil: however old.
function Sample.new(window, period)
  return setmetatable({ window = window, period = period, outcomes = {}, times = {},
    last = 0, calls = 0, failures = 0, slow = 0 }, Sample)
end


local function count(self, outcome, sign)
  self.calls = self.calls + sign
  if bit.band(outcome, FAILED) > 0 then self.failures = self.failures + sign end
  if bit.band(outcome, SLOW) > 0 then self.slow = self.slow + sign end
end


-- The place of the oldest call.
local function oldest(self)
  return (self.last - self.calls) % self.window + 1
end


local function drop_oldest(self)
  count(self, self.outcomes[oldest(self)], -1)
end


--- Forgets the calls that are older than the period.
function Sample:expire()
  if not self.period then return end
  local since = host.now() - self.period
  while self.calls > 0 and self.times[oldest(self)] <= since do drop_oldest(self) end
end


--- Adds a call.
function Sample:add(failed, slow)
  self:expire()
  if self.calls == self.window then drop_oldest(self) end
  local outcome = (failed and FAILED or 0) + (slow and SLOW or 0)
  self.last = self.last % self.window + 1
  self.outcomes[self.last] = outcome
  self.times[self.last] = self.period and host.now()
  count(self, outcome, 1)
end


return Sample
