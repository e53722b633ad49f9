-- hedge { delay=p(95), max=1, budget=.05 }: sends a read again when it has no answer
-- after `delay`, and takes the first good answer of each slot (Dean and Barroso, "The
-- Tail at Scale"). The attempts that lost are cancelled. Writes are never hedged: a
-- late one could overwrite a newer value.
--
-- The budget bounds the further requests to a share of all, so that a store that
-- becomes slow as a whole does not get twice the load. Without budget the request is
-- not sent again, and the first attempt goes on. p(n) is measured over recent requests
-- of the same op, with their answers. There are no hedges before it is known.

local Arguments = require "weir.policy.shared.arguments"
local host = require "weir.host"
local Lent = require "weir.policy.shared.lent"
local Node = require "weir.policy.shared.node"
local Op = require "weir.core.op"
local Percentile = require "weir.policy.hedge.percentile"
local Quantity = require "weir.core.quantity"
local Race = require "weir.policy.hedge.race"

local Hedge = Node.word "hedge"

Hedge.HELP = "Sends a read again when its answer takes long, and takes the first good "
  .. "answer."
Hedge.EXAMPLE = "far:hedge { delay = p(95), budget = 0.05 }"
Hedge.OPTIONS = {
  { "delay", is = Percentile.or_time, type = "weir.Time|weir.Percentile",
    default = Percentile.words.p(95),
    help = "time without an answer after which a read is sent again" },
  { "max", is = "count", default = 1,
    help = "further requests for one read; each after another delay" },
  { "budget", is = "share", default = 0.05,
    help = "further requests allowed, as a share of all reads" },
}

-- Further requests that the budget allows at once: the first one, and after a time
-- without any.
local FIRST, MOST = 1, 10


function Hedge.new(child, ...)
  local given = Arguments.read("hedge", Hedge.OPTIONS, ...)
  return Hedge:node {
    children = { child }, child = child, options = given, times = {}, tokens = FIRST,
    counts = { sent = 0, won = 0, cancelled = 0, over_budget = 0 },
  }
end


-- ---- the delay ----

-- The seconds to wait before another request, or nil: not known yet.
local function delay_of(self, op)
  local delay = self.options.delay
  if type(delay) == "number" then return delay end
  return self.times[op] and self.times[op]:at(delay.percentile)
end


local function learn(self, op, reply, seconds)
  if type(self.options.delay) == "number" or reply:all "error" then return end
  local times = self.times[op]
  if not times then
    times = Percentile.Recent.new()
    self.times[op] = times
  end
  times:add(seconds)
end


-- ---- a read ----

local function afford(self)
  if self.tokens + 1e-9 < 1 then
    self.counts.over_budget = self.counts.over_budget + 1
    return false
  end
  self.tokens = self.tokens - 1
  self.counts.sent = self.counts.sent + 1
  return true
end


-- Sends the request, and again after each delay.
local function run_race(self, req, delay)
  local race, counts = Race.new(self.child, Lent.private(req)), self.counts
  race:send()
  for _ = 1, self.options.max do
    if race:wait(delay) or not afford(self) then break end
    race:send()
  end
  race:wait()
  counts.cancelled = counts.cancelled + race:cancel()
  if race.winner > 1 then counts.won = counts.won + 1 end
  return race
end


local function hedged(self, req, delay)
  local race = run_race(self, req, delay)
  local reply = race.reply
  reply.req = req
  if race.sent > 1 then
    for i = 1, req.n do reply:note("tries", i, reply:attempts(i) + race.sent - 1) end
    if req.trace then
      req.trace:decide(self, ("sent again after %s, attempt %d of %d won"):format(
        Quantity.time(delay), race.winner, race.sent))
    end
  end
  return Lent.land(req, reply)
end


function Hedge:answer(req)
  if not Op.lookups[req.op] or self.child.immediate or req.n == 0 then
    return self.child:run(req)
  end
  self.tokens = math.min(self.tokens + self.options.budget, MOST)
  local delay, begun = delay_of(self, req.op), host.now()
  local late = delay and req.deadline and begun + delay >= req.deadline
  local reply = delay and not late and hedged(self, req, delay) or self.child:run(req)
  learn(self, req.op, reply, host.now() - begun)
  return reply
end


--- Takes over what the node before a reload has measured.
function Hedge:remember(old)
  self.tokens, self.counts = old.tokens, old.counts
  local new, before = self.options.delay, old.options.delay
  if type(new) == "table" and type(before) == "table"
    and new.percentile == before.percentile then
    self.times = old.times
  end
end


-- What tally returns.
Hedge.STATS = {
  { "sent", is = "counter", help = "further requests that were sent" },
  { "won", is = "counter", help = "reads that a further request answered first" },
  { "cancelled", is = "counter", help = "requests cancelled: another one answered" },
  { "over_budget", is = "counter", help = "reads not sent again, for want of budget" },
  { "delay", is = "gauge", unit = "seconds", by = "op",
    help = "time after which a read is sent again" },
}

function Hedge:tally()
  local counts, delay = self.counts, {}
  for op in pairs(Op.lookups) do delay[op] = delay_of(self, op) end
  return { sent = counts.sent, won = counts.won, cancelled = counts.cancelled,
    over_budget = counts.over_budget, delay = delay }
end


function Hedge:plan(op)
  local children = { self.child }
  if not Op.lookups[op] then return "sends a write once", children end
  local delay = delay_of(self, op)
  if not delay then
    return self.options.delay.name .. " is not known yet: sends once", children
  end
  return ("sends again after %s without an answer"):format(Quantity.time(delay)),
    children
end


return Hedge
