-- replay/models/histogram.lua: how often a number was how large, in 32 steps an octave:
-- a quantile is off by 2.2 % at most. For latencies and the age of what is evicted.

local Histogram = {}
Histogram.__index = Histogram

local STEPS = 32
local PER_OCTAVE = STEPS / math.log(2)
local LEAST = 1e-9
local floor, log = math.floor, math.log


function Histogram.new()
  return setmetatable({ count = 0, sum = 0, max = 0, low = nil, high = nil }, Histogram)
end


function Histogram:add(x)
  local at = x > LEAST and floor(log(x / LEAST) * PER_OCTAVE) + 1 or 0
  self[at] = (self[at] or 0) + 1
  if not self.low or at < self.low then self.low = at end
  if not self.high or at > self.high then self.high = at end
  self.count, self.sum = self.count + 1, self.sum + x
  if x > self.max then self.max = x end
end


--- The number that a share of all is not above, or nil: there is none.
function Histogram:quantile(share)
  if self.count == 0 then return nil end
  local wanted, sum = share * self.count, 0
  for at = self.low, self.high do
    sum = sum + (self[at] or 0)
    if sum >= wanted then
      local bound = at == 0 and 0 or LEAST * math.exp(at / PER_OCTAVE)
      return math.min(bound, self.max)
    end
  end
  return self.max
end


--- { count, mean, p50, p90, p99, max }, or nil when nothing was added.
function Histogram:summary()
  if self.count == 0 then return nil end
  return { count = self.count, mean = self.sum / self.count, p50 = self:quantile(0.5),
    p90 = self:quantile(0.9), p99 = self:quantile(0.99), max = self.max }
end


return Histogram
