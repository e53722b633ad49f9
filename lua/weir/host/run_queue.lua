-- host/run_queue.lua: the coroutines of a host's tasks and the line of those that can
-- run. A task runs until it parks. Used by tasks.lua and parking.lua.

local Blame = require "weir.core.blame"

local co_create, co_resume = coroutine.create, coroutine.resume
local co_running, co_yield = coroutine.running, coroutine.yield

-- How many finished coroutines are kept for the next tasks.
local SPARE = 256

local RunQueue = {}
RunQueue.__index = RunQueue


--- Makes a queue. ended(owner, task, ok, ...) is called when a task returns or fails.
function RunQueue.new(owner, ended)
  Blame.prepare()
  return setmetatable({
    owner = owner, ended = ended,
    first = 1, last = 0, -- the tasks in line are self[first] to self[last]
    spare = {}, n_spare = 0,
    current = nil, -- the task that runs
  }, RunQueue)
end


-- What a coroutine does: one task after the other.
local function body(queue, task, fn, ...)
  queue.ended(queue.owner, task, xpcall(fn, Blame.remember, ...))
  local n = queue.n_spare
  if n < SPARE then
    queue.spare[n + 1], queue.n_spare = task.co, n + 1
  end
  task.co = nil
  return body(co_yield())
end


--- Runs fn(...) as a task until it first parks.
function RunQueue:start(task, fn, ...)
  local n = self.n_spare
  if n > 0 then
    task.co, self.spare[n], self.n_spare = self.spare[n], nil, n - 1
  else
    task.co = co_create(body)
  end
  local before = self.current
  self.current = task
  local ok, err = co_resume(task.co, self, task, fn, ...)
  self.current = before
  if not ok then error(err, 0) end
end


local function continue(self, task)
  local before = self.current
  self.current = task
  local ok, err = co_resume(task.co)
  self.current = before
  if not ok then error(err, 0) end
end


--- Puts a parked task in line; park returns woken and why to it.
function RunQueue:add(task, woken, why)
  task.woken, task.why = woken, why
  local last = self.last + 1
  self.last, self[last] = last, task
end


function RunQueue:is_empty()
  return self.first > self.last
end


--- Runs each task that is in line now until it parks again.
function RunQueue:run()
  for _ = self.first, self.last do
    local first = self.first
    local task = self[first]
    if not task then return end
    self[first], self.first = nil, first + 1
    continue(self, task)
  end
  if self.first > self.last then self.first, self.last = 1, 0 end
end


--- The task whose own coroutine is running, or nil. In a coroutine that a task has
--- made, and in the main script, there is none.
function RunQueue:running()
  local task = self.current
  return task and co_running() == task.co and task or nil
end


return RunQueue
