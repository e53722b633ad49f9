-- policy/breaker/state.lua: the states of a breaker, whose node is `self`, and how it
-- gets from one to another. Used by breaker.

local Arguments = require "weir.policy.shared.arguments"
local Ffi = require "weir.ffi"
local host = require "weir.host"
local Sample = require "weir.policy.breaker.sample"

local State = {}

--- The states.
State.NAMES = { "closed", "open", "half_open", "forced_open", "disabled" }

--- What force takes.
State.ACTIONS = { "open", "disable", "reset" }


--- An empty sample.
function State.sample(options)
  return Sample.new(options.window, options.period)
end


-- Called last, when all fields fit the new state: on_change may use the breaker.
local function enter(self, state)
  local before, on_change = self.state, self.options.on_change
  self.state = state
  self.epoch = self.epoch + 1
  self.sample = State.sample(self.options)
  self.changes[state] = self.changes[state] + 1
  if not on_change or state == before then return end
  local ok, err = pcall(on_change, state, before)
  if not ok then self.failures, self.last_failure = self.failures + 1, tostring(err) end
end


--- Opens for `wait` seconds.
function State.trip(self, wait)
  self.wait = math.min(wait, self.options.max_open)
  self.until_time = host.now() + self.wait
  enter(self, "open")
end


local function half_open(self)
  self.permits, self.passed, self.lost_at = self.options.probes, 0, nil
  enter(self, "half_open")
end


--- Closes, and forgets what was seen.
function State.close(self)
  self.wait = self.options.open
  enter(self, "closed")
end


--- Whether a call may pass now. In the state half_open it uses up a permit.
function State.admit(self)
  local state = self.state
  if state == "closed" or state == "disabled" then return true end
  if state == "forced_open" then return false end
  local now = host.now()
  if state == "open" then
    if now < self.until_time then return false end
    half_open(self)
  elseif self.lost_at and now >= self.lost_at then
    half_open(self)
  end
  if self.permits == 0 then return false end
  self.permits = self.permits - 1
  self.lost_at = now + self.wait
  return true
end


local FORCED = {
  open = function(self) enter(self, "forced_open") end,
  disable = function(self) enter(self, "disabled") end,
  reset = State.close,
}

--- Sets the state by hand.
function State.force(self, action)
  local force = FORCED[action]
  if not force then
    error(("a breaker can be set to one of %s, not %s%s"):format(
      table.concat(State.ACTIONS, ", "), Arguments.show(action),
      Ffi.suggest(action, State.ACTIONS)), 0)
  end
  force(self)
end


--- The seconds until the next probe; nil: there will be none.
function State.left(self)
  if self.state == "forced_open" then return nil end
  return math.max(self.until_time - host.now(), 0)
end


return State
