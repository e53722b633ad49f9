-- fake.lua: the host of virtual time (weir.host.virtual), with what specs need to
-- decide the order of events.
--
--     local host = fake.host { seed = 7 }     -- the current host from here on
--     host:main(function() ... end)           -- runs until nothing is left to do
--     host:hold "far.get"                     -- tasks that reach it stop there
--     host:release "far.get"                  -- ... and go on
--     fake.orders(function(host) ... end)     -- once for every order of events
--
-- Of several tasks that could go on the oldest does, except under fake.orders,
-- which tries them all. Scripted stores are in fake/store.lua.

local current_host = require "weir.host"
local Virtual = require "weir.host.virtual"

local Fake = { generator = Virtual.generator }
local before -- the host that was current, in a table, since it may be nil

-- A run that takes more steps has no end.
local MOST_STEPS = 5e6


-- ---- named awaits ----

-- Stops tasks that reach the named await from now on.
local function hold(self, name)
  self.held[name] = self.held[name] or {}
end


-- Lets them go on. Returns how many there were.
local function release(self, name)
  local waiting = self.held[name] or {}
  self.held[name] = nil
  for _, waiter in ipairs(waiting) do self.wake(waiter) end
  return #waiting
end


-- How many tasks stand at a named await.
local function holding(self, name)
  return self.held[name] and #self.held[name] or 0
end


-- An await with a name; scripted stores have two in every call.
local function await(self, name)
  local waiting = self.held[name]
  if waiting then
    local waiter = {}
    table.insert(waiting, waiter)
    self.park(waiter)
  elseif self.interleave then
    self.yield()
  end
end


-- ---- construction ----

--- opts: seed; interleave: named awaits let others run; choose(n): which of n
--- goes on; any_time: a timer may fire before a task that could go on;
--- on_clock(seconds): called when time goes on.
function Fake.host(opts)
  opts = opts or {}
  local self = Virtual.new { seed = opts.seed, choose = opts.choose,
    any_time = opts.any_time, on_clock = opts.on_clock, most_steps = MOST_STEPS }
  self.name, self.held, self.interleave = "fake", {}, opts.interleave
  self.hold, self.release, self.holding, self.await = hold, release, holding, await
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
      on_clock = opts.on_clock,
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
