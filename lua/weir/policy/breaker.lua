-- breaker { fail=.5, window=100, min=20, open=5, max_open=60, probes=1, slow= }: a
-- circuit breaker as Envoy's and resilience4j's. Each call counts once, with its worst
-- infrastructure status. Misses, rejections and mistakes of the caller are no failures.
-- The sample is the last `window` calls. After each call, also a good one, the breaker
-- opens if the sample has at least `min` calls and a share of at least `fail` of them
-- failed. While it is open, for `open` seconds, every slot is skipped. Then exactly
-- `probes` calls pass. If all are good the breaker closes. If one fails it opens for
-- twice as long as before, up to max_open.
--
-- Each change of state begins an epoch. The reply to a call of an earlier epoch is
-- ignored. A probe that never comes back loses its permit after a while. So the breaker
-- always recovers by itself.

local Arguments = require "weir.policy.shared.arguments"
local host = require "weir.host"
local Node = require "weir.policy.shared.node"
local Reply = require "weir.core.reply"

local Breaker = Node.word "breaker"

Breaker.HELP = "Stops the calls to a store that keeps failing. After a pause it probes "
  .. "the store, and closes by itself when the store is well."
Breaker.EXAMPLE = "far:breaker { open = 5 }"
Breaker.OPTIONS = {
  { "fail", is = "share", default = 0.5,
    help = "share of failed calls that opens the breaker" },
  { "window", is = "count", default = 100,
    help = "how many of the last calls are looked at" },
  { "min", is = "count", default = 20,
    help = "calls needed before the breaker may open" },
  { "open", is = "seconds", default = 5,
    help = "how long it stays open before it probes the store" },
  { "max_open", is = "seconds", default = 60,
    help = "longest time open; the time doubles after each failed probe" },
  { "probes", is = "count", default = 1,
    help = "calls that must all succeed to close it" },
  { "slow", is = "seconds",
    help = "a call that takes longer counts as failed" },
}

-- The statuses that show that the backend is unwell. Others are about the request or
-- the data.
local UNWELL = { busy = true, unavailable = true, timeout = true, reset = true,
  failed = true }


function Breaker.new(child, ...)
  local options = Arguments.read("breaker", Breaker.OPTIONS, ...)
  if options.min > options.window then
    error("breaker: min is over window: it would never open", 0)
  end
  return Breaker:node {
    children = { child }, child = child, options = options, state = "closed",
    epoch = 0, ring = {}, at = 0, calls = 0, failures = 0,
    wait = options.open, changes = { open = 0, half_open = 0, closed = 0 }, shed = 0,
  }
end


-- ---- states ----

local function enter(self, state)
  self.state = state
  self.epoch = self.epoch + 1
  self.ring, self.at, self.calls, self.failures = {}, 0, 0, 0
  self.changes[state] = self.changes[state] + 1
end


local function trip(self, wait)
  enter(self, "open")
  self.wait = math.min(wait, self.options.max_open)
  self.until_time = host.now() + self.wait
end


local function half_open(self)
  enter(self, "half_open")
  self.permits, self.passed, self.lost_at = self.options.probes, 0, nil
end


-- Whether a call may pass now. In the state half_open it uses up a permit.
local function admit(self)
  if self.state == "closed" then return true end
  local now = host.now()
  if self.state == "open" then
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


-- ---- outcomes ----

local function remember(self, failed)
  local window = self.options.window
  self.at = self.at % window + 1
  if self.calls == window then
    self.failures = self.failures - self.ring[self.at]
  else
    self.calls = self.calls + 1
  end
  self.ring[self.at] = failed and 1 or 0
  if failed then self.failures = self.failures + 1 end
  local options = self.options
  local most = math.max(options.fail * self.calls, 1)
  if self.calls >= options.min and self.failures >= most then
    trip(self, options.open)
  end
end


local function probed(self, failed)
  if failed then return trip(self, self.wait * 2) end
  self.passed = self.passed + 1
  if self.passed >= self.options.probes then
    self.wait = self.options.open
    enter(self, "closed")
  end
end


-- "ok", "failed", or nil: no slot was sent, so the call says nothing about the backend.
local function outcome(self, reply, seconds)
  local slow = self.options.slow
  if slow and seconds > slow then return "failed" end
  if reply.n > 0 and reply:all "good" then return "ok" end
  local sent = false
  for i = 1, reply.n do
    local status = reply[i]
    if UNWELL[status] then return "failed" end
    sent = sent or status ~= "skipped"
  end
  return sent and "ok" or nil
end


local function learn(self, result)
  if self.state == "closed" then
    if result then remember(self, result == "failed") end
  elseif result then
    probed(self, result == "failed")
  else
    self.permits = self.permits + 1
  end
end


local function shed(self, req)
  self.shed = self.shed + req.n
  local left = math.max((self.until_time or 0) - host.now(), 0)
  local reply = Reply.uniform(req, "skipped",
    ("%s: open, tries again in %.3g s"):format(self.name, left), self.name, left)
  for i = 1, req.n do reply:note("open", i, true) end
  return reply
end


function Breaker:answer(req)
  if not admit(self) then return shed(self, req) end
  local epoch, timed = self.epoch, self.options.slow
  local begun = timed and host.now()
  local reply = self.child:run(req)
  if epoch == self.epoch then
    learn(self, outcome(self, reply, timed and host.now() - begun))
  end
  return reply
end


local STATE = { "state", "epoch", "wait", "until_time", "permits", "passed", "lost_at",
  "changes", "shed" }
local SAMPLE = { "ring", "at", "calls", "failures" }

--- Takes over the state of the node before a reload. A sample of another size is not
--- comparable, so it begins empty.
function Breaker:remember(old)
  for _, name in ipairs(STATE) do self[name] = old[name] end
  if self.options.window ~= old.options.window then return end
  for _, name in ipairs(SAMPLE) do self[name] = old[name] end
end


-- What tally returns.
Breaker.STATS = {
  { "state", is = "state", states = { "closed", "open", "half_open" },
    help = "1 for the state that the breaker is in, 0 for the others" },
  { "changes", is = "counter", by = "state", help = "times that it entered a state" },
  { "shed", is = "counter", help = "keys skipped because it was open" },
  { "failures", is = "gauge", help = "failed calls among the last ones" },
  { "calls", is = "gauge", help = "how many of the last calls are looked at now" },
}

function Breaker:tally()
  return { state = self.state, changes = self.changes, shed = self.shed,
    failures = self.failures, calls = self.calls }
end


function Breaker:plan()
  local ready = self.state == "open" and host.now() >= self.until_time
  if self.state == "open" and not ready then
    return ("open: skipped for %.3g s more"):format(self.until_time - host.now()), {}
  end
  return self.state == "closed" and "closed" or "half open: a probe passes",
    { self.child }
end


return Breaker
