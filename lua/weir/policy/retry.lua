-- retry { n, base=.01, cap=1, jitter="full", budget=.2, on=, wait_for_breaker=false }:
-- sends the slots that failed again, up to n times. Any op is sent again after a status
-- that says "not applied", an idempotent one also after timeout and reset. The waits
-- between attempts grow (policy/retry/backoff.lua), end at the deadline, and are no
-- shorter than a limit or a breaker below asks for. Slots that an open breaker skipped
-- are left to the words above, such as failover. With wait_for_breaker = true retry
-- waits for the breaker. Nested retries share one count of attempts for each slot, and
-- the budget of the outer one counts, too: they never multiply.
--
-- policy/retry/doubt.lua decides the reply of a write when an attempt may have been
-- applied and a later attempt says something else.

local Arguments = require "weir.policy.shared.arguments"
local backoff = require "weir.policy.retry.backoff"
local Budget = require "weir.policy.shared.budget"
local Doubt = require "weir.policy.retry.doubt"
local host = require "weir.host"
local Node = require "weir.policy.shared.node"
local Op = require "weir.core.op"
local Paths = require "weir.observe.paths"
local status = require "weir.core.status"
local Statuses = require "weir.policy.shared.statuses"

local Retry = Node.word "retry"
Retry.REUSES = true

local NONE = {}


local function share_or_none(x, what)
  if x == false or type(x) == "number" and x >= 0 then return x end
  error(("%s is a share such as 0.2, or false for none, not %s"):format(what,
    Arguments.show(x)), 0)
end


Retry.HELP = "Repeats a request for the keys that another attempt may help, within a "
  .. "budget."
Retry.EXAMPLE = "far:retry { 2, budget = 0.2 }"
Retry.OPTIONS = {
  { "times", at = 1, is = "count", default = 2,
    help = "further attempts" },
  { "base", is = "seconds", default = 0.01,
    help = "pause before the second attempt; pauses grow from there" },
  { "cap", is = "seconds", default = 1,
    help = "longest pause between two attempts" },
  { "jitter", is = { "full", "equal", "decorrelated", "none" }, default = "full",
    help = "how chance changes the pauses",
    values = { full = "from 0 to the whole pause",
      equal = "from half to the whole pause",
      decorrelated = "from base to three times the last pause",
      none = "not at all" } },
  { "budget", is = share_or_none, type = "number|false", default = 0.2,
    help = "retries allowed, as a share of first attempts; false = no limit" },
  { "on", is = Statuses.errors, type = "string|string[]",
    help = "error statuses to retry; default: those that may go away by themselves" },
  { "wait_for_breaker", is = "boolean", default = false,
    help = "whether to wait for an open breaker, up to cap, instead of giving up" },
}


local function has_retry(store)
  local found = false
  Paths.each(store, function(node) found = found or node.word == "retry" end)
  return found
end


function Retry.new(child, ...)
  local given = Arguments.read("retry", Retry.OPTIONS, ...)
  return Retry:node {
    children = { child }, child = child, immediate = false, options = given,
    times = given.times, on = given.on, share = given.budget,
    budget = given.budget and Budget.of(child), nested = has_retry(child),
    counts = { attempts = 0, recovered = 0, over_budget = 0, gave_up = 0 },
  }
end


local function again(self, op, name)
  if status.class[name] ~= "error" then return false end
  local rule = status.retry[name]
  if rule == "idempotent" and not Op.idempotent[op] then return false end
  if self.on then return self.on[name] end
  return rule ~= "no"
end


-- Whether a slot is left alone because an open breaker skipped it: another store may be
-- ready.
local function barred(self, reply, i)
  return reply.open and reply.open[i] and not self.options.wait_for_breaker
end


-- The longest pause that a slot may ask for and still get another attempt.
local function longest_wait(self, req)
  local left = req.deadline and req.deadline - host.now() or math.huge
  return math.min(self.options.cap, left)
end


-- The slots that get another attempt, as many as the budgets allow. A slot is left
-- alone if a limit or a breaker asks for a longer pause than there is time.
local function pick(self, req, reply, account)
  local slots, used = {}, account.used
  local afters, most = reply.afters or NONE, longest_wait(self, req)
  for i = 1, req.n do
    if again(self, req.op, reply[i]) and not barred(self, reply, i)
      and (afters[i] or 0) <= most and (used[req:place(i)] or 0) < self.times then
      slots[#slots + 1] = i
    end
  end
  local wanted = #slots
  if self.budget then wanted = self.budget:afford(wanted) end
  if account.budget then wanted = account.budget:afford(wanted) end
  if wanted < #slots then
    self.counts.over_budget = self.counts.over_budget + #slots - wanted
    for i = wanted + 1, #slots do slots[i] = nil end
  end
  return slots
end


local function pay(self, req, slots, account)
  local used, n = account.used, #slots
  for _, i in ipairs(slots) do
    local at = req:place(i)
    used[at] = (used[at] or 0) + 1
  end
  if self.budget then self.budget:spend(n) end
  if account.budget and account.budget ~= self.budget then account.budget:spend(n) end
  self.counts.attempts = self.counts.attempts + n
end


-- Makes one more attempt. Its answers replace the failed ones.
local function attempt(self, req, reply, slots)
  local tries, doubt = {}, Doubt.of(req, reply, slots)
  for j, i in ipairs(slots) do tries[j] = reply:attempts(i) end
  local second = self.child:run(req:subset(slots))
  local recovered = 0
  for j = 1, #slots do
    tries[j] = tries[j] + second:attempts(j)
    if status.class[second[j]] ~= "error" then recovered = recovered + 1 end
  end
  self.counts.recovered = self.counts.recovered + recovered
  local after = second.after
  if next(doubt) then
    Doubt.settle(req, reply, second, slots, doubt)
  else
    reply:place(second, slots)
  end
  reply.tries = reply.tries or {}
  for j, i in ipairs(slots) do reply.tries[i] = tries[j] end
  reply.after = after
end


-- The pause before the next attempt, or nil: it would come too late.
local function patience(self, req, reply, slots, round, before)
  local wait, afters = backoff(self.options, round, before), reply.afters or NONE
  for _, i in ipairs(slots) do wait = math.max(wait, afters[i] or 0) end
  if req.deadline and host.now() + wait >= req.deadline then return nil end
  return wait
end


local function persist(self, req, reply, account)
  local wait = self.options.base
  for round = 1, self.times do
    local slots = pick(self, req, reply, account)
    if #slots == 0 then break end
    wait = patience(self, req, reply, slots, round, wait)
    if not wait then break end
    pay(self, req, slots, account)
    if req.trace then
      req.trace:decide(self, ("attempt %d after %.3g s"):format(round + 1, wait))
    end
    host.sleep(wait)
    local outer = account.again
    account.again = true
    attempt(self, req, reply, slots)
    account.again = outer
  end
  if reply:any "error" then self.counts.gave_up = self.counts.gave_up + 1 end
  return reply
end


-- Whether this request adds to the budget. An attempt of an outer retry does not, and
-- an operation adds only once.
local function earns(self, account)
  return not account or account.budget ~= self.budget and not account.again
end


-- Counts the attempts for itself and for the retries below.
local function answer_first(self, req)
  local account = { used = {}, budget = self.budget }
  local inner = req:relend(req.deadline or math.huge)
  inner.limit = account
  local reply = self.child:run(inner)
  if not reply:all "good" and reply:any "error" then
    reply = persist(self, inner, reply, account)
  end
  reply.req = req
  inner:give_back()
  return reply
end


function Retry:answer(req)
  local account = req.limit
  if self.budget and earns(self, account) then self.budget:earn(req.n, self.share) end
  if not account and self.nested then return answer_first(self, req) end
  local reply = self.child:run(req)
  if reply:all "good" or not reply:any "error" then return reply end
  return persist(self, req, reply, account or { used = {} })
end


--- Retries below would count their attempts otherwise.
function Retry:fast_path()
  return not self.nested and self.child or nil
end


function Retry:count_hits(hits)
  Node.count_hits(self, hits)
  if self.budget then self.budget:earn(hits.keys, self.share) end
end


-- What tally returns.
Retry.STATS = {
  { "attempts", is = "counter", help = "keys sent again" },
  { "recovered", is = "counter", help = "keys that a further attempt helped" },
  { "over_budget", is = "counter", help = "keys not sent again, for want of budget" },
  { "gave_up", is = "counter", help = "requests that ended with an error" },
  { "tokens", is = "gauge", help = "attempts that the budget allows now" },
}

function Retry:tally()
  local counts = self.counts
  return { attempts = counts.attempts, recovered = counts.recovered,
    over_budget = counts.over_budget, gave_up = counts.gave_up,
    tokens = self.budget and self.budget.tokens }
end


function Retry:plan()
  return ("up to %d further attempts"):format(self.times), { self.child }
end


return Retry
