-- host/tasks.lua: the tasks of the hosts plain, ev and luv: coroutines over a function
-- that waits for events. run_queue.lua switches between them, parking.lua lets them
-- wait. This file starts, joins, kills and unwinds them, and makes the host's table.

local Blame = require "weir.core.blame"
local Host = require "weir.host"
local Parking = require "weir.host.parking"
local Random = require "weir.host.random"
local RunQueue = require "weir.host.run_queue"
local C = require("weir.ffi").C

local park, wake, start = Parking.park, Parking.wake, RunQueue.start


local function now()
  return tonumber(C.weir_now()) * 1e-9
end


-- ---- a task ----

local NONE = {}

-- So many tasks that failed and that no task has joined are kept, to tell of them. Of
-- further ones nothing is kept.
local MOST_FAILED = 1000


local function note_failed(self, task)
  if self.n_failed == MOST_FAILED then return end
  self.failed[task], self.n_failed = true, self.n_failed + 1
end


local function forget_failed(self, task)
  if not self.failed[task] then return end
  self.failed[task], self.n_failed = nil, self.n_failed - 1
end


-- Notes the end of a task and wakes the tasks that join it. Most tasks return nothing
-- and are joined by none: that makes no tables.
local function finish(self, task, ok, ...)
  local n, joiners = select("#", ...), task.joiners
  task.ok, task.n, task.results = ok, n, n > 0 and { ... } or NONE
  if not ok then task.results[1] = Blame.clear(task.results[1]) end
  self.alive[task] = nil
  if not ok and not joiners and task.results[1] ~= Host.KILLED then
    note_failed(self, task)
  end
  for i = 1, joiners and #joiners or 0 do wake(self.parking, joiners[i]) end
end


local function spawn(self, fn, ...)
  local task = {}
  self.alive[task] = true
  start(self.queue, task, fn, ...)
  return task
end


-- Parks; a task that is killed meanwhile is unwound.
local function park_alive(self, w, timeout)
  local woken, why = park(self.parking, w, timeout)
  if not woken and why == "killed" then error(Host.KILLED, 0) end
end


local function join(self, task)
  if task.ok == nil then
    local w = self.host.prepare()
    task.joiners = task.joiners or {}
    task.joiners[#task.joiners + 1] = w
    park_alive(self, w)
  end
  forget_failed(self, task)
  return task.ok, unpack(task.results, 1, task.n)
end


local function kill(self, task)
  if task.ok ~= nil then return end
  task.killed = true
  self.parking:wake_killed(task)
end


-- The error of a task that failed and that no task has joined. Each is told once.
local function failure(self)
  local task = next(self.failed)
  if not task then return nil end
  forget_failed(self, task)
  return task.results[1]
end


-- ---- how a host ends ----

-- Kills all tasks and runs them to their ends. A killed task cannot wait again.
local function unwind(self)
  for task in pairs(self.alive) do
    if task ~= self.queue.current then kill(self, task) end
  end
  while not self.queue:is_empty() do self.queue:run() end
end


-- Calls the functions that on_stop was given, the last first, then unwinds all tasks.
local function stop(self)
  local stops = self.stops
  while #stops > 0 do table.remove(stops)() end
  unwind(self)
end


-- Ends run before main returns. run raises `why`.
local function quit(self, why)
  local main = self.main
  if not main or main.ok ~= nil then return end
  self.ending = self.ending or { why = why }
  kill(self, main)
end


local function run(self, main, ...)
  local before = Host.begin_run(self.host)
  local task = spawn(self, main, ...)
  self.main = task
  local joined, why = pcall(join, self, task)
  if self.ending then unwind(self) end
  local stopped, fault = pcall(self.host.stop)
  Host.use(before)
  if self.ending then error(self.ending.why, 0) end
  if not joined then error(why, 0) end
  if not task.ok then error(task.results[1], 0) end
  if not stopped then error(fault, 0) end
  local other = failure(self)
  if other ~= nil then error(other, 0) end
  return unpack(task.results, 1, task.n)
end


-- ---- the host ----

-- How code waits; see host.lua.
local function add_waiting(host, self)
  local parking = self.parking

  function host.prepare() return { woken = false } end
  function host.park(w, timeout) return park(parking, w, timeout) end
  function host.wake(w) wake(parking, w) end
  function host.can_park() return true end
  function host.sleep(seconds) park_alive(self, host.prepare(), seconds) end

  function host.timer(seconds, fn)
    return parking:after(seconds, host.spawn, fn)
  end
end


-- For a loop of another program: what one turn of it does for the tasks.
local function add_turns(host, self)
  --- Fires the timers that are due and runs the tasks that are ready; never blocks.
  function host.turn()
    self.parking:fire()
    self.queue:run()
  end

  --- The seconds until turn has something to do; nil: not before an event.
  function host.due() return self.parking:due() end

  --- Whether a task of this host is running, outside of coroutines of its own.
  function host.in_task() return self.queue:running() ~= nil end

  function host.failure() return failure(self) end
end


--- Makes the table of a host. wait(seconds) blocks until events have come and been
--- served, for at most so long. wait(nil) blocks without a limit, and returns false at
--- once when no event can ever come.
return function(wait)
  local self = { alive = {}, failed = {}, n_failed = 0, stops = {} }
  self.queue = RunQueue.new(self, finish)
  self.parking = Parking.new(self.queue, now, wait)

  local host = { now = now, random = Random.new() }
  self.host = host -- a host may put functions of its own into the table
  add_waiting(host, self)
  add_turns(host, self)

  function host.spawn(fn, ...) return spawn(self, fn, ...) end
  function host.join(task) return join(self, task) end
  function host.kill(task) kill(self, task) end

  function host.on_stop(fn) self.stops[#self.stops + 1] = fn end
  function host.stop() stop(self) end
  function host.quit(why) quit(self, why) end
  function host.run(main, ...) return run(self, main, ...) end
  return host
end
