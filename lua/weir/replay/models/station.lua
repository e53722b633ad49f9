-- replay/models/station.lua: how long a modelled store takes. It has some workers and
-- one link. An item needs the first worker that is free for `latency`, and then the
-- link for its bytes at `bandwidth`; the link serves one item at a time. So items queue
-- when all workers are busy, or the link is, and a percentile shows it.

local Station = {}
Station.__index = Station


--- rules: workers, latency (s), bandwidth (bytes/s), pipelined (a batch costs the
--- latency once).
function Station.new(rules)
  local free = {}
  for i = 1, rules.workers do free[i] = 0 end
  return setmetatable({ rules = rules, free = free, link = 0, busy = 0 }, Station)
end


local function first_free(free)
  local best = 1
  for i = 2, #free do
    if free[i] < free[best] then best = i end
  end
  return best
end


-- One piece of work of that many bytes. Returns when it ends; nil: it would begin
-- only after `deadline`.
local function serve(self, now, bytes, deadline)
  local rules, free = self.rules, self.free
  local worker = first_free(free)
  local start = math.max(free[worker], now)
  if deadline and start >= deadline then return nil end
  local ready = start + rules.latency
  local over = bytes > 0 and math.max(ready, self.link) + bytes / rules.bandwidth
    or ready
  if bytes > 0 then self.link = over end
  free[worker] = over
  self.busy = self.busy + over - start
  return over
end


--- When a batch of n items ends that starts now. bytes(i): what item i carries. nil:
--- it would begin after the deadline.
function Station:finish(now, n, bytes, deadline)
  if self.rules.pipelined then
    local sum = 0
    for i = 1, n do sum = sum + bytes[i] end
    return serve(self, now, sum, deadline)
  end
  local last
  for i = 1, n do
    local over = serve(self, now, bytes[i], deadline)
    if not over then return last end
    last = math.max(last or over, over)
  end
  return last
end


--- Lets a request wait as long as it takes, bytes left aside but those of a set.
function Station:pass(host, req)
  local now, bytes = host.now(), {}
  for i = 1, req.n do bytes[i] = req.values and #req.values[i] or 0 end
  local over = self:finish(now, req.n, bytes)
  if over and over > now then host.sleep(over - now) end
end


return Station
