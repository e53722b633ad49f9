-- host/parking.lua: how a task waits and is continued. Code that is no task (the main
-- script, a coroutine of the user's) waits by running the tasks until it is woken. Used
-- by tasks.lua.
--
-- A waiter w is made by prepare, for one park. wake(w) continues the task that is
-- parked on it, or notes in w.woken that the next park returns at once.

local RunQueue = require "weir.host.run_queue"
local Timers = require "weir.host.timers"

local add = RunQueue.add
local co_running, co_yield = coroutine.running, coroutine.yield

local Parking = {}
Parking.__index = Parking


-- Continues the task that is parked on w.
local function unpark(self, w, woken, why)
  local task = w.task
  w.task, task.w = nil, nil
  if w.timer then w.timer:cancel() end
  w.timer = nil
  add(self.queue, task, woken, why)
end


-- Blocks until an event came, a timer is due, or `limit`, a time of the clock, is over.
local function block(self, limit)
  local at = math.min(self.timers:first() or math.huge, limit or math.huge)
  local seconds
  if not self.queue:is_empty() then
    seconds = 0
  elseif at < math.huge then
    seconds = math.max(at - self.now(), 0)
  end
  if not self.wait(seconds) and not seconds then
    error("weir: nothing will ever wake what is waited for here", 0)
  end
  self:fire()
end


-- Waits where no task runs.
local function pump(self, w, timeout)
  local limit = timeout and self.now() + timeout
  self.queue:run()
  while not w.woken do
    if limit and self.now() >= limit then return false, "timeout" end
    block(self, limit)
    self.queue:run()
  end
  w.woken = false
  return true
end


--- Makes the parking of a host: its run queue, its clock, and wait(seconds), which
--- blocks for events.
function Parking.new(queue, now, wait)
  local self = setmetatable({ queue = queue, now = now, wait = wait,
    timers = Timers.new() }, Parking)
  self.expire = function(w) unpark(self, w, false, "timeout") end
  return self
end


--- Parks until w is woken: true. false and "timeout" or "killed" otherwise.
function Parking:park(w, timeout)
  local current = self.queue.current
  if current and current.killed then return false, "killed" end
  if w.woken then
    w.woken = false
    return true
  end
  if not current or co_running() ~= current.co then return pump(self, w, timeout) end
  w.task, current.w = current, w
  if timeout then w.timer = self.timers:add(self.now() + timeout, self.expire, w) end
  co_yield()
  return current.woken, current.why
end


--- Continues what is parked on w, or will be.
function Parking:wake(w)
  if w.task then unpark(self, w, true) else w.woken = true end
end


--- Continues a task that is to be unwound.
function Parking:wake_killed(task)
  if task.w then unpark(self, task.w, false, "killed") end
end


--- Calls fn(arg) in so many seconds; returns a handle with cancel().
function Parking:after(seconds, fn, arg)
  return self.timers:add(self.now() + seconds, fn, arg)
end


--- Fires the timers that are due.
function Parking:fire()
  if self.timers:first() then self.timers:run(self.now()) end
end


--- The seconds until there is something to do without an event; nil: never.
function Parking:due()
  if not self.queue:is_empty() then return 0 end
  local at = self.timers:first()
  return at and math.max(at - self.now(), 0)
end


return Parking
