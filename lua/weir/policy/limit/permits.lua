-- policy/limit/permits.lua: the keys and bytes in flight of a limit, whose node is
-- `self`, and the queue of batches that wait.

local host = require "weir.host"
local Op = require "weir.core.op"

local Permits = {}


--- Whether an op reads the values of single keys, as a get does.
function Permits.reads_values(op)
  return Op.lookups[op] and Op.returns[op]
end


--- The bytes that a request counts for.
function Permits.bytes_of(self, req)
  if self.most_bytes == math.huge then return 0 end
  if Op.sends[req.op] then return req:bytes() end
  if not Permits.reads_values(req.op) then return 0 end
  if not req.caps then return req.n * self.mean_size end
  local sum = 0
  for i = 1, req.n do sum = sum + req.caps[i] end
  return sum
end


local function refill(self)
  local now = host.now()
  self.tokens = math.min(self.burst, self.tokens + (now - self.refilled) * self.rate)
  self.refilled = now
end


--- Seconds until there are tokens for n keys. A batch over what the bucket holds passes
--- when it is full and leaves it in debt.
function Permits.tokens_after(self, n)
  if not self.rate then return 0 end
  refill(self)
  local lacking = math.min(n, self.burst) - self.tokens
  return lacking > 1e-9 and lacking / self.rate or 0
end


--- Whether n keys of so many bytes may go now.
function Permits.fits(self, n, bytes)
  if self.calls > 0
    and (self.keys + n > self.most_keys or self.bytes + bytes > self.most_bytes) then
    return false
  end
  return Permits.tokens_after(self, n) == 0
end


--- Takes the tokens of n keys.
function Permits.pay(self, n)
  if self.rate then self.tokens = self.tokens - n end
end


--- Takes the permits and the tokens of a batch.
function Permits.use(self, n, bytes)
  self.calls, self.keys = self.calls + 1, self.keys + n
  self.bytes = self.bytes + bytes
  Permits.pay(self, n)
end


-- Names the limit that holds n keys of so many bytes back, as an option, and how full
-- it is.
local function obstacle(self, n, bytes)
  if self.calls > 0 and self.keys + n > self.most_keys then
    return ("inflight = %d, %d keys are in flight"):format(self.most_keys, self.keys)
  elseif self.calls > 0 and self.bytes + bytes > self.most_bytes then
    return ("bytes = %d, %d bytes are in flight"):format(self.most_bytes, self.bytes)
  end
  if not self.rate then return "in line" end
  return ("rate = %g, the next turn is in %.3g s"):format(self.rate,
    Permits.tokens_after(self, n))
end


-- ---- the queue ----

local function next_waiting(self)
  return self.options.order == "lifo" and #self.waiting or 1
end

--- Says in words why n keys of so many bytes wait: the reason is that of the batch that
--- is next in the queue.
function Permits.reason(self, n, bytes)
  local entry = self.waiting[next_waiting(self)]
  if entry then n, bytes = entry.n, entry.bytes end
  return ("%s, %d batches wait (queue = %d)"):format(obstacle(self, n, bytes),
    #self.waiting, self.options.queue)
end


local pump

-- Tries again when there are tokens for the next batch, if only the rate holds it back.
-- An earlier timer is cancelled, since the next batch may be another one.
local function pump_later(self, n)
  if self.timer then self.timer:cancel() end
  self.timer = nil
  local wait = Permits.tokens_after(self, n)
  if wait == 0 then return end
  self.timer = host.timer(wait, function()
    self.timer = nil
    pump(self)
  end)
end


function pump(self)
  while #self.waiting > 0 do
    local at = next_waiting(self)
    local entry = self.waiting[at]
    if not Permits.fits(self, entry.n, entry.bytes) then
      return pump_later(self, entry.n)
    end
    table.remove(self.waiting, at)
    Permits.use(self, entry.n, entry.bytes)
    entry.granted = true
    host.wake(entry.waiter)
  end
end


function Permits.give_back(self, n, bytes)
  self.calls, self.keys = self.calls - 1, self.keys - n
  self.bytes = self.bytes - bytes
  if #self.waiting > 0 then pump(self) end
end


-- Leaves the queue. This batch may have been the one that held the others back.
local function leave(self, entry)
  for i, other in ipairs(self.waiting) do
    if other == entry then table.remove(self.waiting, i) break end
  end
  pump(self)
end


--- Waits in the queue, until the time `by` if given. false: that came first.
function Permits.wait(self, req, bytes, by)
  local entry = { n = req.n, bytes = bytes, waiter = host.prepare() }
  self.waiting[#self.waiting + 1] = entry
  self.queued = self.queued + 1
  pump(self)
  if entry.granted then return true end
  local left = by and math.max(by - host.now(), 0)
  local _, why = host.park(entry.waiter, left)
  if why == "killed" then
    if entry.granted then
      Permits.give_back(self, entry.n, entry.bytes)
    else
      leave(self, entry)
    end
    error(host.KILLED, 0)
  end
  if not entry.granted then leave(self, entry) end
  return entry.granted or false
end


return Permits
