-- breaker { fail=.5, window=100, period=, min=20, slow=, slow_share=, on=, open=5,
-- max_open=60, probes=1, on_change= }: a circuit breaker as Envoy's and resilience4j's.
-- Each call counts once, with its worst infrastructure status. Misses, rejections and
-- mistakes of the caller are no failures, and with `on` only its statuses are. The
-- sample is the last `window` calls, of the last `period`. After each call, also a good
-- one, the breaker opens if the sample has at least `min` calls and a share of at least
-- `fail` of them failed, or a share of at least `slow_share` was slow. While it is
-- open, for `open` seconds, every slot is skipped. Then exactly `probes` calls pass. If
-- all are good the breaker closes. If one fails it opens for twice as long as before,
-- up to max_open.
--
-- Each change of state begins an epoch. The reply to a call of an earlier epoch is
-- ignored. A probe that never comes back loses its permit after a while. So the breaker
-- always recovers by itself. The exceptions are the two states that only an operator
-- enters and leaves (Breaker:force): forced_open skips every slot, disabled lets every
-- call pass and learns nothing.

local Arguments = require "weir.policy.shared.arguments"
local host = require "weir.host"
local Node = require "weir.policy.shared.node"
local Reply = require "weir.core.reply"
local State = require "weir.policy.breaker.state"
local Statuses = require "weir.policy.shared.statuses"

local Breaker = Node.word "breaker"
Breaker.REUSES = true

Breaker.HELP = "Stops the calls to a store that keeps failing. After a pause it probes "
  .. "the store, and closes by itself when the store is well."
Breaker.EXAMPLE = "far:breaker { open = 5 }"
Breaker.OPTIONS = {
  { "fail", is = "share", default = 0.5,
    help = "share of failed calls that opens the breaker" },
  { "window", is = "count", default = 100,
    help = "how many of the last calls are looked at" },
  { "period", is = "seconds",
    help = "look only at calls of so long; default: however old" },
  { "min", is = "count", default = 20,
    help = "calls needed before the breaker may open" },
  { "open", is = "seconds", default = 5,
    help = "how long it stays open before it probes the store" },
  { "max_open", is = "seconds", default = 60,
    help = "longest time open; the time doubles after each failed probe" },
  { "probes", is = "count", default = 1,
    help = "calls that must all succeed to close it" },
  { "slow", is = "seconds",
    help = "a call that takes longer counts as failed, or as slow with slow_share" },
  { "slow_share", is = "share",
    help = "share of slow calls that opens the breaker" },
  { "on", is = Statuses.errors, type = "string|string[]",
    help = "error statuses that count; default: those that say the store is unwell" },
  { "on_change", is = "callable", type = "fun(state: string, before: string)",
    help = "called at each change of state; an error in it is counted" },
}

-- The statuses that show that the backend is unwell. Others are about the request or
-- the data.
local UNWELL = { busy = true, unavailable = true, timeout = true, reset = true,
  failed = true }

function Breaker.new(child, ...)
  local options = Arguments.read("breaker", Breaker.OPTIONS, ...)
  if options.min > options.window then
    error("breaker: min is over window: it would never open", 0)
  elseif options.slow_share and not options.slow then
    error("breaker: slow_share needs slow, the time over which a call is slow", 0)
  end
  local changes = {}
  for _, state in ipairs(State.NAMES) do changes[state] = 0 end
  return Breaker:node {
    children = { child }, child = child, options = options, state = "closed",
    counts = options.on or UNWELL, epoch = 0, sample = State.sample(options),
    wait = options.open, changes = changes, shed = 0, failures = 0,
  }
end


--- Sets the state by hand: "open" skips every call, "disable" lets every call pass,
--- both until "reset", which closes the breaker and forgets what it has seen.
---@param action string
function Breaker:force(action)
  local ok, err = pcall(State.force, self, action)
  if not ok then error(err, 2) end
end


-- ---- outcomes ----

local function remember(self, failed, slow)
  local options, sample = self.options, self.sample
  sample:add(failed, slow)
  if sample.calls < options.min then return end
  local share = options.slow_share
  if sample.failures >= math.max(options.fail * sample.calls, 1)
    or share and sample.slow >= math.max(share * sample.calls, 1) then
    State.trip(self, options.open)
  end
end


local function probed(self, failed)
  if failed then return State.trip(self, self.wait * 2) end
  self.passed = self.passed + 1
  if self.passed >= self.options.probes then State.close(self) end
end


-- "ok", "failed", or nil: no slot was sent, so the call says nothing about the backend.
local function outcome(self, reply)
  if reply.n > 0 and reply:all "good" then return "ok" end
  local sent = false
  for i = 1, reply.n do
    local status = reply[i]
    if self.counts[status] then return "failed" end
    sent = sent or status ~= "skipped"
  end
  return sent and "ok" or nil
end


-- In the state half_open a slow probe is a failed one.
local function learn(self, result, slow)
  local failed = result == "failed" or slow and not self.options.slow_share
  if self.state == "closed" then
    if result or slow then remember(self, failed, slow) end
  elseif self.state ~= "half_open" then
    return
  elseif result or slow then
    probed(self, failed or slow)
  else
    self.permits = self.permits + 1
  end
end


local function shed(self, req)
  self.shed = self.shed + req.n
  local after = State.left(self)
  local reply = Reply.uniform(req, "skipped", after
    and ("%s: open, tries again in %.3g s"):format(self.name, after)
    or self.name .. ": open, forced by hand until it is reset", self.name, after)
  for i = 1, req.n do reply:note("open", i, true) end
  return reply
end


function Breaker:answer(req)
  if not State.admit(self) then return shed(self, req) end
  local epoch, limit = self.epoch, self.options.slow
  local begun = limit and host.now()
  local reply = self.child:run(req)
  if epoch == self.epoch then
    learn(self, outcome(self, reply), limit and host.now() - begun > limit)
  end
  return reply
end


local STATE = { "state", "epoch", "wait", "until_time", "permits", "passed", "lost_at",
  "changes", "shed" }

--- Takes over the state of the node before a reload. A sample of another size is not
--- comparable, so it begins empty.
function Breaker:remember(old)
  for _, name in ipairs(STATE) do self[name] = old[name] end
  local new, before = self.options, old.options
  if new.window == before.window and new.period == before.period
    and new.slow == before.slow then
    self.sample = old.sample
  end
end


-- What tally returns.
Breaker.STATS = {
  { "state", is = "state", states = State.NAMES,
    help = "1 for the state that the breaker is in, 0 for the others" },
  { "changes", is = "counter", by = "state", help = "times that it entered a state" },
  { "shed", is = "counter", help = "keys skipped because it was open" },
  { "failures", is = "gauge", help = "failed calls among the last ones" },
  { "slow", is = "gauge", help = "slow calls among the last ones" },
  { "calls", is = "gauge", help = "how many of the last calls are looked at now" },
  { "on_change_failures", is = "counter", help = "errors raised by on_change" },
  { "last_failure", is = "text", help = "the last of them" },
}

function Breaker:tally()
  local sample = self.sample
  sample:expire()
  return { state = self.state, changes = self.changes, shed = self.shed,
    failures = sample.failures, slow = sample.slow, calls = sample.calls,
    on_change_failures = self.failures, last_failure = self.last_failure }
end


local WHY = { closed = "closed", disabled = "disabled: every call passes",
  forced_open = "forced open: skipped until it is reset" }

function Breaker:plan()
  local why = WHY[self.state]
  if self.state == "open" and State.left(self) > 0 then
    why = ("open: skipped for %.3g s more"):format(State.left(self))
    return why, {}
  end
  return why or "half open: a probe passes",
    self.state ~= "forced_open" and { self.child } or {}
end


return Breaker
