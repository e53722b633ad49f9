-- host/timers.lua: timers in a binary heap. Each timer knows its place in the heap, so
-- cancelling removes it: most timers are timeouts of operations and never fire. Of two
-- that are due at the same time the one that was added first fires first. Used by
-- parking.lua and virtual.lua.

local Timers = {}
Timers.__index = Timers

local Timer = {}
Timer.__index = Timer


function Timers.new()
  return setmetatable({ n = 0, serial = 0 }, Timers)
end


local function before(a, b)
  return a.at < b.at or a.at == b.at and a.serial < b.serial
end


local function put(heap, i, timer)
  heap[i] = timer
  timer.place = i
end


local function up(heap, i, timer)
  while i > 1 do
    local parent = (i - i % 2) / 2
    if before(heap[parent], timer) then break end
    put(heap, i, heap[parent])
    i = parent
  end
  put(heap, i, timer)
end


local function down(heap, i, timer)
  local n = heap.n
  while 2 * i <= n do
    local child = 2 * i
    if child < n and before(heap[child + 1], heap[child]) then child = child + 1 end
    if before(timer, heap[child]) then break end
    put(heap, i, heap[child])
    i = child
  end
  put(heap, i, timer)
end


--- Adds a timer that runs fn(arg) at a time; returns its handle.
function Timers:add(at, fn, arg)
  self.serial = self.serial + 1
  local timer = setmetatable({
    at = at, fn = fn, arg = arg, heap = self, serial = self.serial,
  }, Timer)
  self.n = self.n + 1
  up(self, self.n, timer)
  return timer
end


--- Cancels a timer. It does nothing if the timer has fired or was cancelled before.
function Timer:cancel()
  local heap, i = self.heap, self.place
  if not i then return end
  local last = heap[heap.n]
  heap[heap.n] = nil
  heap.n = heap.n - 1
  self.place = nil
  if last == self then return end
  if i > 1 and before(last, heap[(i - i % 2) / 2]) then
    up(heap, i, last)
  else
    down(heap, i, last)
  end
end


--- The time at which the first timer is due, or nil.
function Timers:first()
  local timer = self[1]
  return timer and timer.at
end


--- Runs the timers that are due at a time, in order.
function Timers:run(now)
  local timer = self[1]
  while timer and timer.at <= now do
    timer:cancel()
    timer.fn(timer.arg)
    timer = self[1]
  end
end


return Timers
