-- host/timers.lua: what is to happen when, as a binary heap in which each timer knows
-- its place, so that cancelling one removes it: with a time-out per operation
-- most timers never fire. Used by tasks.lua.

local Timers = {}
Timers.__index = Timers

local Timer = {}
Timer.__index = Timer


function Timers.new()
  return setmetatable({ n = 0 }, Timers)
end


local function put(heap, i, timer)
  heap[i] = timer
  timer.place = i
end


local function up(heap, i, timer)
  while i > 1 do
    local parent = (i - i % 2) / 2
    if heap[parent].at <= timer.at then break end
    put(heap, i, heap[parent])
    i = parent
  end
  put(heap, i, timer)
end


local function down(heap, i, timer)
  local n = heap.n
  while 2 * i <= n do
    local child = 2 * i
    if child < n and heap[child + 1].at < heap[child].at then child = child + 1 end
    if heap[child].at >= timer.at then break end
    put(heap, i, heap[child])
    i = child
  end
  put(heap, i, timer)
end


--- Adds a timer that runs fn(arg) at a time; returns its handle.
function Timers:add(at, fn, arg)
  local timer = setmetatable({ at = at, fn = fn, arg = arg, heap = self }, Timer)
  self.n = self.n + 1
  up(self, self.n, timer)
  return timer
end


--- Forgets a timer; does nothing when it fired or was cancelled before.
function Timer:cancel()
  local heap, i = self.heap, self.place
  if not i then return end
  local last = heap[heap.n]
  heap[heap.n] = nil
  heap.n = heap.n - 1
  self.place = nil
  if last == self then return end
  if i > 1 and last.at < heap[(i - i % 2) / 2].at then
    up(heap, i, last)
  else
    down(heap, i, last)
  end
end


--- When the first timer is due, or nil.
function Timers:first()
  local timer = self[1]
  return timer and timer.at
end


--- Runs what is due by a time, in order.
function Timers:run(now)
  local timer = self[1]
  while timer and timer.at <= now do
    timer:cancel()
    timer.fn(timer.arg)
    timer = self[1]
  end
end


return Timers
