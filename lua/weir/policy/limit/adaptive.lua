-- policy/limit/adaptive.lua: finds out how many keys may be in flight from how long
-- requests take, as Netflix's concurrency-limits does. Used by limit.
--
-- Below its knee a store answers in its own time, however much is in flight. Over the
-- knee requests wait in the store, so the time grows with what is in flight, and the
-- throughput does not. The means of small windows of times are compared with the time
-- of an idle store, `unloaded`:
--   gradient  the limit is multiplied by 1.5 x unloaded / time, which is 1 at most, and
--             grows by its square root. It settles near 1.5 times the knee. This is
--             Gradient2, except that Gradient2 compares with a long mean of all times.
--             That mean follows a lasting overload, and the limit with it.
--   vegas     the store's queue is estimated as limit x (1 - unloaded / time), as TCP
--             Vegas does. A shorter queue than 3 log10(limit) keys raises the limit, a
--             longer one than 6 log10(limit) lowers it.
-- A window with a busy, timeout or unavailable reply lowers the limit by a tenth. The
-- limit stays as it is while less than half of it is used.
--
-- A window lasts as long as a request took in the window before, at least. unloaded is
-- the least mean since the last probe. A probe, about every 50 windows, lets only half
-- as much in flight for two windows, so that the store's queue becomes empty, and
-- measures anew (TCP BBR does this to its round-trip time). So a store that becomes
-- slower for good gets a new knee.

local host = require "weir.host"

local Adaptive = {}
Adaptive.__index = Adaptive

local LEAST = 10      -- times in a window
local PROBE = 50      -- windows between two probes, on average
local TOLERANCE = 1.5 -- a time up to this multiple of `unloaded` is no sign of a queue
local SMOOTHING = 0.2 -- weight of a new limit of gradient
local BACKOFF = 0.9   -- what is left of the limit after failures


local STEP = {}

function STEP.gradient(limit, unloaded, mean)
  local slope = math.max(0.5, math.min(1, TOLERANCE * unloaded / mean))
  local target = limit * slope + math.sqrt(limit)
  return limit * (1 - SMOOTHING) + target * SMOOTHING
end


function STEP.vegas(limit, unloaded, mean)
  local queue, step = limit * (1 - unloaded / mean), math.max(math.log10(limit), 1)
  if queue <= step then return limit + 6 * step end
  if queue < 3 * step then return limit + step end
  return queue > 6 * step and limit - step or limit
end


local function windows_to_probe()
  return math.floor(PROBE * (0.75 + 0.5 * host.random()))
end


local function begin_window(self)
  self.samples, self.sum, self.peak, self.failed = 0, 0, 0, false
  self.began = host.now()
end


--- algorithm: a name of STEP. first, least, most: the limit at the beginning, and its
--- bounds.
function Adaptive.new(algorithm, first, least, most)
  local self = setmetatable({ step = STEP[algorithm], least = least, most = most,
    limit = math.min(math.max(first, least), most), to_probe = windows_to_probe() },
    Adaptive)
  begin_window(self)
  return self
end


--- Takes over what another one has found out.
function Adaptive:adopt(other)
  self.limit = math.min(math.max(other.limit, self.least), self.most)
  self.unloaded = other.unloaded
end


--- How many keys may be in flight now.
function Adaptive:current()
  return math.max(math.floor(self.probing and self.probed or self.limit), self.least)
end


-- In the first window of a probe requests end that began before it. The second one
-- measures.
local function probe(self, mean)
  self.probing = self.probing - 1
  if self.probing > 0 then return end
  self.probing, self.unloaded, self.to_probe = nil, mean, windows_to_probe()
end


-- Where the limit is not reached the time is that of an idle store without a probe.
local function begin_probe(self, used)
  if used then
    self.probing, self.probed = 2, math.min(self.limit, self.peak) / 2
  else
    self.unloaded, self.to_probe = nil, windows_to_probe()
  end
end


local function end_window(self)
  local mean = self.sum / self.samples
  self.last = mean
  if self.probing then return probe(self, mean) end
  local used = self.peak >= self.limit / 2
  self.to_probe = self.to_probe - 1
  if self.to_probe <= 0 then begin_probe(self, used) end
  self.unloaded = math.min(self.unloaded or mean, mean)
  local limit = self.limit
  if self.failed then
    limit = limit * BACKOFF
  elseif used then
    limit = self.step(limit, self.unloaded, mean)
  end
  self.limit = math.min(math.max(limit, self.least), self.most)
end


--- Counts a request that took `seconds`. keys: how many were in flight with it.
--- failed: the store answered that it has too much to do, or did not answer.
function Adaptive:add(seconds, keys, failed)
  self.samples, self.sum = self.samples + 1, self.sum + seconds
  self.peak = math.max(self.peak, keys)
  self.failed = self.failed or failed
  if self.samples < LEAST then return end
  if host.now() - self.began < (self.last or 0) then return end
  end_window(self)
  begin_window(self)
end


return Adaptive
