-- ngx/tasks.lua: tasks that belong to the worker and not to the request that
-- started them: nginx ends the light threads of a request with it. A foreman, a
-- timer that waits for jobs, starts each as a light thread of its own. As nginx
-- frees what a light thread took only with its timer, a foreman starts so many
-- and leaves the rest to a new one. Used by host/ngx.lua.

local Host = require "weir.host"
local Waits = require "weir.host.ngx.waits"
local base = require "resty.core.base"

local co_running = coroutine.running
local get_request = base.get_request

local Tasks = {}

-- Threads a foreman starts in its life, and the seconds it waits for jobs.
local LIFE, IDLE = 256, 1

-- A timer that nginx could not run says so to its log only.
local PATIENCE = 1

local jobs, first, last = {}, 1, 0
local foreman -- { w =, request =, started =, threads = }
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


local function start(job)
  foreman.threads = foreman.threads + 1
  ngx.thread.spawn(body, job.task, job.fn, unpack(job, 1, job.n))
end


local function start_all()
  while first <= last do
    local job = jobs[first]
    jobs[first] = nil
    first = first + 1
    start(job)
  end
  first, last = 1, 0
end


local function serve(_, me)
  if foreman ~= me then return end
  me.request = get_request()
  repeat
    start_all()
    if me.threads >= LIFE or ngx.worker.exiting() then break end
  until not Waits.park(me.w, IDLE)
  if foreman == me then foreman = nil end
end


local function hire()
  if foreman and (foreman.request or ngx.now() - foreman.started < PATIENCE) then
    Waits.wake(foreman.w)
    return
  end
  local new = { w = Waits.prepare(), started = ngx.now(), threads = 0 }
  local set, why = ngx.timer.at(0, serve, new)
  if not set then error("weir: no timer for a task: " .. tostring(why), 0) end
  foreman = new
end


--- Starts fn(...) as a task; where nothing can wait, runs it to its end.
function Tasks.spawn(can_wait, fn, ...)
  local task = { joiners = {} }
  if not can_wait then
    body(task, fn, ...)
  elseif foreman and foreman.request == get_request() and foreman.threads < LIFE then
    foreman.threads = foreman.threads + 1
    ngx.thread.spawn(body, task, fn, ...)
  else
    last = last + 1
    jobs[last] = { task = task, fn = fn, n = select("#", ...), ... }
    hire()
  end
  return task
end


--- Waits as Waits.park does, but a task that is killed gets false, "killed".
function Tasks.park(w, timeout)
  local task = tasks[co_running()]
  if not task then
    if Waits.park(w, timeout) then return true end
    return false, "timeout"
  end
  if task.killed then return false, "killed" end
  task.w = w
  local woken = Waits.park(w, timeout)
  task.w = nil
  if task.killed then return false, "killed" end
  return woken, not woken and "timeout" or nil
end


function Tasks.must_live(woken, why)
  if not woken and why == "killed" then error(Host.KILLED, 0) end
end


--- Waits for a task to end: true and its results, or false and its error.
function Tasks.join(task)
  if task.good == nil then
    local w = Waits.prepare()
    task.joiners[#task.joiners + 1] = w
    Tasks.must_live(Tasks.park(w))
  end
  return task.good, unpack(task.results, 1, task.n)
end


--- Unwinds a task from where it waits.
function Tasks.kill(task)
  if task.good ~= nil then return end
  task.killed = true
  if task.w then Waits.wake(task.w) end
end


--- Lets the foreman end: the worker leaves.
function Tasks.leave()
  if foreman then Waits.wake(foreman.w) end
end


return Tasks
