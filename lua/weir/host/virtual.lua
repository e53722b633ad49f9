-- host/virtual.lua: the host of virtual time. Nothing sleeps: when every task waits,
-- the clock jumps to the next timer. Chance comes from a seed, and of several tasks
-- that can run the one that became ready first runs first, so the same program does the
-- same things in the same order each time. Replay runs policies on it
-- (replay/engine.lua), and so do the specs of policies (spec/fake.lua).
--
-- When no task can run, no timer is set and the main task has not ended, the run
-- fails with a list of the tasks that wait, where, and for whom.

local current_host = require "weir.host"
local Timers = require "weir.host.timers"
local Waiting = require "weir.host.waiting"

local Virtual = {}
local Host = {}
Host.__index = Host

-- How many finished coroutines are kept for the next tasks.
local SPARE = 256

local create, resume_coroutine = coroutine.create, coroutine.resume
local yield = coroutine.yield


-- ---- chance ----

--- A generator of numbers in [0, 1) that gives the same ones on every machine.
---@param seed integer
function Virtual.generator(seed)
  local state = seed % 2147483647
  if state == 0 then state = 1 end
  return function()
    state = state * 16807 % 2147483647 -- Park and Miller, exact in doubles
    return (state - 1) / 2147483646
  end
end


-- ---- tasks ----

local function make_ready(self, task)
  local last = self.last + 1
  self.last, self.ready[last] = last, task
end


local function wake(self, waiter)
  local task = waiter.task
  waiter.task = nil
  if not task then waiter.signalled = true return end
  if waiter.timer then
    waiter.timer:cancel()
    waiter.timer = nil
  end
  if not task.done then make_ready(self, task) end
end


local function finish(self, task)
  task.done = true
  self.tasks[task] = nil
  self.alive = self.alive - 1
  local joiners = task.joiners
  for i = 1, joiners and #joiners or 0 do wake(self, joiners[i]) end
end


local function settle(self, task, ok, ...)
  task.ok, task.n, task.results = ok, select("#", ...), { ... }
  if not ok and not task.joiners then self.failed[#self.failed + 1] = task end
  finish(self, task)
  local spare = self.spare
  if #spare < SPARE then spare[#spare + 1] = task.coroutine end
  task.coroutine = nil
end


-- Runs one task after the other in the same coroutine.
local function body(self, task, fn, ...)
  local function explain(err)
    if not task.joiners then task.trace = debug.traceback(tostring(err), 2) end
    return err
  end
  settle(self, task, xpcall(fn, explain, ...))
  return body(yield())
end


local function switch(self, task, ...)
  local above = self.running
  self.running = task
  local ok, err = resume_coroutine(task.coroutine, ...)
  self.running = above
  if not ok then error(err, 0) end
end


local function spawn(self, fn, ...)
  self.spawned = self.spawned + 1
  local task = { id = self.spawned, fn = fn,
    coroutine = table.remove(self.spare) or create(body) }
  self.alive = self.alive + 1
  self.tasks[task] = true
  switch(self, task, self, task, fn, ...)
  return task
end


-- A task that is killed vanishes where it waits, as in nginx when a client hangs up:
-- nothing after that line runs.
local function kill(self, task)
  if task.done then return end
  task.ok, task.n, task.results = false, 1, { current_host.KILLED }
  finish(self, task)
end


-- ---- waiting ----

local function expire(waiter)
  local task = waiter.task
  if not task then return end
  waiter.task, waiter.timer, waiter.late = nil, nil, true
  make_ready(waiter.host, task)
end


local function park(self, waiter, timeout)
  if waiter.signalled then
    waiter.signalled = nil
    return true
  end
  local task = self.running
  if not task then error("park outside a task", 0) end
  waiter.task, task.waiter = task, waiter
  if timeout then
    waiter.host = self
    waiter.timer = self.timers:add(self.clock + math.max(timeout, 0), expire, waiter)
  end
  yield()
  task.waiter = nil
  if waiter.late then
    waiter.late = nil
    return false, "timeout"
  end
  return true
end


local function join(self, task)
  if not task.done then
    local waiter = { awaits = task }
    task.joiners = task.joiners or {}
    table.insert(task.joiners, waiter)
    park(self, waiter)
  end
  for i, failed in ipairs(self.failed) do
    if failed == task then table.remove(self.failed, i) break end
  end
  return task.ok, unpack(task.results, 1, task.n)
end


-- ---- the loop ----

local function take_ready(self, pick)
  local ready, at = self.ready, self.first + pick - 1
  local task = ready[at]
  for i = at, self.first + 1, -1 do ready[i] = ready[i - 1] end
  ready[self.first] = nil
  self.first = self.first + 1
  if self.first > self.last then self.first, self.last = 1, 0 end
  return task
end


local function run_task(self, task)
  if not task.done then switch(self, task) end
end


local function fire_next_timer(self)
  local timer = self.timers[1]
  timer:cancel()
  if timer.at > self.clock then self:set_clock(timer.at) end
  timer.fn(timer.arg)
end


local function step(self)
  local n = self.last - self.first + 1
  local early = self.any_time and self.timers[1] and 1 or 0
  if n + early > 0 then
    local pick = n + early > 1 and self.choose and self.choose(n + early) or 1
    if pick <= n then return run_task(self, take_ready(self, pick)) end
  end
  fire_next_timer(self)
end


local function raise_failure(self)
  local task = table.remove(self.failed, 1)
  if not task then return end
  self.failed = {}
  local err = task.results[1]
  error(type(err) == "string" and task.trace or err, 0)
end


--- Runs fn as a task and everything it started, until nothing is left to do.
function Host:main(fn, ...)
  local task, steps = spawn(self, fn, ...), 0
  while self.first <= self.last or self.timers[1] do
    if self.failed[1] then break end
    steps = steps + 1
    if self.most_steps and steps > self.most_steps then
      error("virtual time: no end in sight", 0)
    end
    step(self)
  end
  raise_failure(self)
  if not task.done and not (self.held and next(self.held)) then
    error("deadlock: no task can run, and none will be woken:\n"
      .. Waiting.describe(self.tasks), 0)
  end
  return task
end


--- Runs what can run now, until every other task waits. Time does not move.
function Host:settle()
  while self.first <= self.last do
    make_ready(self, self.running)
    yield()
  end
end


--- Lets time pass from outside or inside a task.
function Host:advance(seconds)
  if self.running then return self.sleep(seconds) end
  self:main(function() self.sleep(seconds) end)
end


--- The tasks that wait for something without a limit of time, one a line, or "".
function Host:waiting()
  return Waiting.describe(self.tasks)
end


function Host:set_clock(seconds)
  self.clock = seconds
  if self.on_clock then self.on_clock(seconds) end
end


-- ---- construction ----

-- The functions of a host (host.lua) over the state of this one.
local function add_functions(self)
  function self.now() return self.clock end
  function self.spawn(fn, ...) return spawn(self, fn, ...) end
  function self.join(task) return join(self, task) end
  function self.kill(task) return kill(self, task) end
  function self.prepare() return {} end
  function self.park(waiter, timeout) return park(self, waiter, timeout) end
  function self.wake(waiter) return wake(self, waiter) end
  function self.sleep(seconds) park(self, {}, seconds) end
  function self.timer(seconds, fn)
    return self.timers:add(self.clock + math.max(seconds, 0), self.spawn, fn)
  end
  function self.yield()
    make_ready(self, self.running)
    yield()
  end
  function self.can_park() return self.running ~= nil end
  function self.on_stop() end
  function self.attach() end
  function self.detach() end

  --- Runs main as the current host and returns what it returned.
  function self.run(main, ...)
    local before = current_host.use(self)
    local fine, task = pcall(self.main, self, main, ...)
    current_host.use(before)
    if not fine then error(task, 0) end
    if not task.ok then error(task.results[1], 0) end
    return unpack(task.results, 1, task.n)
  end
end


--- Makes a host. opts: seed (1) of random; clock, where time begins (1000 s);
--- choose(n): which of n goes on, by default the first; any_time: a timer may fire
--- before a task that could go on; most_steps: fail when a run takes more;
--- on_clock(seconds): called when the clock moves.
---@param opts table?
function Virtual.new(opts)
  opts = opts or {}
  local self = setmetatable({
    name = "virtual", clock = opts.clock or 1000, timers = Timers.new(),
    ready = {}, first = 1, last = 0, tasks = {}, spare = {}, failed = {},
    alive = 0, spawned = 0, choose = opts.choose, any_time = opts.any_time,
    most_steps = opts.most_steps, on_clock = opts.on_clock,
    random = Virtual.generator(opts.seed or 1),
  }, Host)
  add_functions(self)
  return self
end


return Virtual
