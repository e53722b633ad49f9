-- host/ngx/worker_tasks.lua: tasks that belong to the worker and not to the request
-- that started them, since nginx ends the light threads of a request with it. A
-- foreman, a timer that waits for jobs, starts each job as a light thread of its own.
-- nginx frees the memory of a light thread only with its timer, so a foreman starts a
-- bounded number of them and leaves the rest to a new foreman. Used by host/ngx.lua.
--
-- A task must not call ngx.exit and the like: they end the foreman's timer, and with
-- it, without notice, all tasks that it has started.

local Host = require "weir.host"
local Waits = require "weir.host.ngx.waits"

local co_running = coroutine.running

local Tasks = {}

-- The most threads that one foreman starts, and the seconds that it waits for jobs.
local LIFE, IDLE = 256, 1

-- nginx reports a timer that it could not run only in its log. A task that waits for
-- longer than so many seconds checks whether that has happened.
local PATIENCE = 1

local jobs, first, last = {}, 1, 0
local foreman -- { w =, threads =, trusted = until when it counts as there }
local tasks = setmetatable({}, { __mode = "k" }) -- by coroutine


local function settle(task, good, ...)
  task.good, task.n, task.results = good, select("#", ...), { ... }
  task.w = nil
  if not good and #task.joiners == 0 and task.results[1] ~= Host.KILLED then
    ngx.log(ngx.ERR, "weir: a task failed: ", tostring((...)))
  end
  for i = 1, #task.joiners do Waits.wake(task.joiners[i]) end
end


local function body(task, fn, ...)
  if task.killed then return settle(task, false, Host.KILLED) end
  local co = co_running()
  if co then tasks[co] = task end
  settle(task, pcall(fn, ...))
  if co then tasks[co] = nil end
end


local function start(me, task, fn, ...)
  me.threads = me.threads + 1
  task.foreman = me
  ngx.thread.spawn(body, task, fn, ...)
end


local function start_all(me)
  while first <= last do
    local job = jobs[first]
    jobs[first] = nil
    first = first + 1
    start(me, job.task, job.fn, unpack(job, 1, job.n))
  end
  first, last = 1, 0
end


local function serve(_, me)
  while foreman == me do
    me.trusted = ngx.now() + IDLE + PATIENCE
    start_all(me)
    if me.threads >= LIFE or ngx.worker.exiting() or not Waits.park(me.w, IDLE) then
      if foreman == me then foreman = nil end
    end
  end
end


-- Starts a foreman if there is none that takes jobs. Returns true, or nil and why not.
local function hire()
  if foreman and ngx.now() < foreman.trusted and Waits.wake(foreman.w) then
    return true
  end
  local new = { w = Waits.prepare(), threads = 0, trusted = ngx.now() + PATIENCE }
  local set, why = ngx.timer.at(0, serve, new)
  if not set then return nil, why end
  foreman = new
  return true
end


-- Whether this code runs in a task of the foreman, who can start one more.
local function is_foremans()
  local task = tasks[co_running()]
  return task and foreman and task.foreman == foreman and foreman.threads < LIFE
end


--- Starts fn(...) as a task; where nothing can wait, runs it to its end.
function Tasks.spawn(can_wait, fn, ...)
  local task = { joiners = {} }
  if not can_wait then
    body(task, fn, ...)
  elseif is_foremans() then
    start(foreman, task, fn, ...)
  else
    last = last + 1
    jobs[last] = { task = task, fn = fn, n = select("#", ...), ... }
    local hired, why = hire()
    if not hired then error("weir: no timer for a task: " .. why, 0) end
  end
  return task
end


-- The functions that start a dropped timer again. Each returns true if it did.
local lookouts = {
  function()
    if first > last then return false end
    hire()
    return true
  end,
}


--- Adds a function that starts a timer again when nginx has dropped it, and then
--- returns true. Tasks that wait for long call it.
function Tasks.look_out(fn)
  lookouts[#lookouts + 1] = fn
end


local function look()
  local found = false
  for i = 1, #lookouts do found = lookouts[i]() or found end
  return found
end


local function wait(w, timeout)
  local left = timeout or math.huge
  while left > PATIENCE do
    if Waits.park(w, PATIENCE) then return true end
    left = left - PATIENCE
    if not look() then break end
  end
  return Waits.park(w, left)
end


--- Waits like Waits.park. A task that is killed gets false, "killed". Where nothing can
--- wait the result is false and why.
function Tasks.park(w, timeout)
  local able, why = Waits.can_park()
  if not able and not w.woken then return false, why end
  local task = tasks[co_running()]
  if not task then
    if wait(w, timeout) then return true end
    return false, "timeout"
  end
  if task.killed then return false, "killed" end
  task.w = w
  local woken = wait(w, timeout)
  task.w = nil
  if task.killed then return false, "killed" end
  return woken, not woken and "timeout" or nil
end


--- Waits until woken or until the timeout. Raises an error if that is not possible.
function Tasks.must_park(w, timeout)
  local woken, why = Tasks.park(w, timeout)
  if why == "killed" then error(Host.KILLED, 0) end
  if not woken and why ~= "timeout" then error("weir: " .. why, 0) end
end


--- Waits for a task to end: true and its results, or false and its error.
function Tasks.join(task)
  if task.good == nil then
    local w = Waits.prepare()
    task.joiners[#task.joiners + 1] = w
    Tasks.must_park(w)
  end
  return task.good, unpack(task.results, 1, task.n)
end


--- Unwinds a task from where it waits.
function Tasks.kill(task)
  if task.good ~= nil then return end
  task.killed = true
  if task.w then Waits.wake(task.w) end
end


--- Ends the foreman, since the worker leaves.
function Tasks.leave()
  if foreman then Waits.wake(foreman.w) end
end


return Tasks
