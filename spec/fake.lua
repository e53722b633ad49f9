-- fake.lua: a host whose clock, chance and order of events belong to the spec.
--
--     local host = fake.host { seed = 7 }     -- the current host from here on
--     host:main(function() ... end)           -- runs until nothing is left to do
--     host:hold "far.get"                     -- tasks that reach it stop there
--     host:release "far.get"                  -- ... and go on
--     fake.orders(function(host) ... end)     -- once for every order of events
--
-- Time moves only when every task waits; then it jumps to the next timer. Where
-- several tasks could go on the oldest does, except under fake.orders, which
-- tries them all. Scripted stores are in fake/store.lua.

local current_host = require "weir.host"

local Fake = {}
local before -- the host that was current, in a table, since it may be nil
local Host = {}
Host.__index = Host


-- ---- chance: a small generator of our own, equal on every machine ----

local function generator(seed)
  local state = seed % 2147483647
  if state == 0 then state = 1 end
  return function()
    state = state * 16807 % 2147483647 -- Park and Miller, exact in doubles
    return (state - 1) / 2147483646
  end
end

Fake.generator = generator


-- ---- tasks ----

local function runnable(self, task)
  self.ready[#self.ready + 1] = task
end


local function finish(self, task, ok, failure)
  task.done = true
  self.alive = self.alive - 1
  if not ok and not task.killed then
    self.failure = self.failure or debug.traceback(task.coroutine, tostring(failure))
  end
  for _, waiter in ipairs(task.joiners) do self.wake(waiter) end
end


local function resume(self, task)
  if task.done then return end
  local above = self.running
  self.running = task
  local ok, failure = coroutine.resume(task.coroutine, unpack(task.arguments))
  task.arguments = {}
  self.running = above
  if coroutine.status(task.coroutine) == "dead" then finish(self, task, ok, failure) end
end


local function spawn(self, fn, ...)
  local task = { coroutine = coroutine.create(fn), arguments = { ... }, joiners = {} }
  self.alive = self.alive + 1
  self.spawned = self.spawned + 1
  resume(self, task)
  return task
end


-- A task that is killed vanishes where it waits: nothing after that line runs.
local function kill(self, task)
  if task.done then return end
  task.killed = true
  finish(self, task, true)
end


-- ---- waiting ----

local function add_timer(self, seconds, fn)
  self.serial = self.serial + 1
  local timer = { due = self.clock + math.max(seconds, 0), serial = self.serial }
  timer.fn = fn
  local at = #self.timers + 1
  while at > 1 and self.timers[at - 1].due > timer.due do at = at - 1 end
  table.insert(self.timers, at, timer)
  function timer.cancel() timer.fn = nil end
  return timer
end


local function park(self, waiter, timeout)
  if waiter.signalled then
    waiter.signalled = nil
    return true
  end
  local task, timer = assert(self.running, "park outside a task"), nil
  waiter.task = task
  if timeout then
    timer = add_timer(self, timeout, function()
      if waiter.task == task then
        waiter.task, waiter.late = nil, true
        runnable(self, task)
      end
    end)
  end
  coroutine.yield()
  if timer then timer.cancel() end
  local late = waiter.late
  waiter.late = nil
  return not late
end


local function wake(self, waiter)
  local task = waiter.task
  waiter.task = nil
  if not task then waiter.signalled = true return end
  if not task.done then runnable(self, task) end
end


local function join(self, task)
  if task.done then return end
  local waiter = {}
  table.insert(task.joiners, waiter)
  park(self, waiter)
end


-- ---- the loop ----

local function fire_next_timer(self)
  local timer = table.remove(self.timers, 1)
  if not timer then return end
  self.clock = math.max(self.clock, timer.due)
  local fn = timer.fn
  timer.fn = nil
  fn()
end


local function step(self)
  local n = #self.ready
  while self.timers[1] and not self.timers[1].fn do table.remove(self.timers, 1) end
  local early = self.any_time and self.timers[1] and 1 or 0
  if n + early > 0 then
    local pick = n + early > 1 and self.choose(n + early) or 1
    if pick <= n then return resume(self, table.remove(self.ready, pick)) end
  end
  fire_next_timer(self)
end


--- Runs fn as a task and everything it started, until nothing is left to do.
function Host:main(fn, ...)
  local task = spawn(self, fn, ...)
  while #self.ready > 0 or #self.timers > 0 do
    if self.failure then break end
    self.steps = self.steps + 1
    assert(self.steps < 5e6, "fake host: no end in sight")
    step(self)
  end
  local failure = self.failure
  self.failure = nil
  if failure then error(failure, 0) end
  if not task.done and not next(self.held) then
    error("fake host: every task waits and nothing will wake them", 0)
  end
  return task
end


--- Lets time pass from outside or inside a task.
function Host:advance(seconds)
  if self.running then return self.sleep(seconds) end
  self:main(function() self.sleep(seconds) end)
end


-- ---- named awaits ----

--- Stops tasks that reach the named await from now on.
function Host:hold(name)
  self.held[name] = self.held[name] or {}
end


--- Lets them go on. Returns how many there were.
function Host:release(name)
  local waiting = self.held[name] or {}
  self.held[name] = nil
  for _, waiter in ipairs(waiting) do self.wake(waiter) end
  return #waiting
end


--- How many tasks stand at a named await.
function Host:holding(name)
  return self.held[name] and #self.held[name] or 0
end


--- An await with a name; scripted stores have two in every call.
function Host:await(name)
  local waiting = self.held[name]
  if waiting then
    local waiter = {}
    table.insert(waiting, waiter)
    park(self, waiter)
  elseif self.interleave then
    runnable(self, self.running)
    coroutine.yield()
  end
end


-- ---- construction ----

--- opts: seed; interleave: named awaits let others run; choose(n): which of n
--- goes on; any_time: a timer may fire before a task that could go on.
function Fake.host(opts)
  opts = opts or {}
  local self = setmetatable({
    clock = 1000, ready = {}, timers = {}, held = {}, serial = 0, steps = 0,
    alive = 0, spawned = 0, name = "fake",
    interleave = opts.interleave, any_time = opts.any_time,
    choose = opts.choose or function() return 1 end,
    random = generator(opts.seed or 1),
  }, Host)
  function self.now() return self.clock end
  function self.spawn(fn, ...) return spawn(self, fn, ...) end
  function self.join(task) return join(self, task) end
  function self.kill(task) return kill(self, task) end
  function self.prepare() return {} end
  function self.park(waiter, timeout) return park(self, waiter, timeout) end
  function self.wake(waiter) return wake(self, waiter) end
  function self.sleep(seconds) park(self, {}, seconds) end
  function self.timer(seconds, fn) return add_timer(self, seconds, fn) end
  function self.can_park() return self.running ~= nil end
  function self.on_stop() end
  function self.attach() end
  function self.detach() end
  before = before or { host = current_host.use(self) }
  current_host.use(self)
  return self
end


--- Gives the host back that was current before the first fake one.
function Fake.leave()
  if before then current_host.use(before.host) end
  before = nil
end


-- The next script of choices after this one in depth-first order, or nil.
local function next_script(script, widths)
  for i = #script, 1, -1 do
    if script[i] < widths[i] then
      local following = {}
      for k = 1, i - 1 do following[k] = script[k] end
      following[i] = script[i] + 1
      return following
    end
  end
end


--- Runs scenario(host) once for every order in which tasks can go on. Returns
--- how many there were; a failure names the order, which `order` runs again.
function Fake.orders(scenario, opts)
  opts = opts or {}
  local script, runs = opts.order or {}, 0
  repeat
    local taken, widths = {}, {}
    local host = Fake.host { interleave = true, any_time = opts.any_time,
      choose = function(n)
        local k = #taken + 1
        taken[k], widths[k] = script[k] or 1, n
        return taken[k]
      end }
    local ok, failure = pcall(scenario, host)
    if not ok then
      error(("in order { %s }: %s"):format(table.concat(taken, ", "),
        type(failure) == "table" and failure.message or failure), 0)
    end
    runs = runs + 1
    assert(runs < (opts.limit or 200000), "too many orders: make the case smaller")
    script = not opts.order and next_script(taken, widths)
  until not script
  return runs
end


return Fake
