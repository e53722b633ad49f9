-- failover { a, b, on="error", order="listed", max_tries=, budget=, fail_open=, ttl=,
-- stand_ins=65536, old_copies=65536 }: sends the slots that failed at a to b, and so
-- on, as mcrouter's FailoverRoute. on says what goes on: errors, some statuses, or
-- misses, too. A slot is a miss only if no store that was asked had an error. Deletes
-- and touches go to all children. ttl is the time to live of sets that land at another
-- child than the first. A key goes to max_tries children at most, and the budget bounds
-- the keys that go on, as a share of all, so that a store that stands in is not
-- overrun. A miss goes on in any case if another child may know better.
--
-- A set that lands at b while a is down leaves an older copy in a. A set that lands at
-- a again leaves an older copy in b. Such copies are deleted or suspect, and suspect
-- copies are passed by (policy/shared/suspects.lua), so a child that goes down and
-- comes back never serves an older value. Both tables are bounded, for each child. When
-- stand_ins keys may lie in a stand-in it gets no further ones. A set that makes more
-- than old_copies suspect is an error.

local Arguments = require "weir.policy.shared.arguments"
local Atomic = require "weir.policy.shared.atomic"
local Budget = require "weir.policy.shared.budget"
local Copies = require "weir.policy.shared.scan_copies"
local degrade = require "weir.policy.shared.degrade"
local FailoverRead = require "weir.policy.failover.read"
local FailoverWrite = require "weir.policy.failover.write"
local Generations = require "weir.policy.shared.generations"
local Node = require "weir.policy.shared.node"
local Op = require "weir.core.op"
local Order = require "weir.policy.failover.order"
local Parallel = require "weir.policy.shared.parallel"
local status = require "weir.core.status"
local StandIns = require "weir.policy.failover.stand_ins"
local Statuses = require "weir.policy.shared.statuses"
local Suspects = require "weir.policy.shared.suspects"

local Failover = Node.word "failover"

Failover.HELP = "What the first store could not do goes to the next one. It never "
  .. "serves a value older than the last write."
Failover.EXAMPLE = "failover { far, ram, ttl = 60 }"
Failover.OPTIONS = {
  { "on", is = Statuses.failures, type = "string|string[]",
    default = Statuses.failures "error",
    help = 'what goes on: "error", "miss" (and any error), or a list of statuses' },
  { "order", is = { "listed", "least_failures", "hash" }, default = "listed",
    help = "in which order the stores are tried",
    values = { listed = "as they are written",
      least_failures = "the one that failed least comes first",
      hash = "each key has an order of its own, so the load is spread" } },
  { "max_tries", is = "count",
    help = "stores tried at most for a key; default: all" },
  { "budget", is = "share",
    help = "keys that may go on after a failure, as a share of all; default: any" },
  { "fail_open", is = "boolean", default = false,
    help = "whether an error of all stores is told as a miss, marked degraded" },
  { "ttl", is = "seconds",
    help = "time to live of values that are set in another store than the first" },
  { "stand_ins", is = "count", default = 65536,
    help = "keys that may lie in a stand-in store; it takes no further ones" },
  Suspects.OPTION,
}

-- After each call the count of failures is multiplied by this.
local DECAY = 0.95


function Failover.new(given)
  local stores, named = Arguments.stores("failover", given, 2)
  local options = Arguments.read("failover", Failover.OPTIONS, named)
  local generations, suspects, stand_ins = Generations.new(), {}, {}
  local node = Failover:node {
    children = stores, on = options.on.set, said = options.on.name,
    order = options.order, listed = {}, orders = Order.by_hash(#stores),
    max_tries = options.max_tries or #stores, share = options.budget,
    budget = options.budget and Budget.new(), fail_open = options.fail_open,
    extra = options.ttl, generations = generations, suspects = suspects,
    stand_ins = stand_ins, failures = {},
    counts = { failed_over = 0, over_budget = 0, degraded = 0 },
  }
  for i, store in ipairs(stores) do
    suspects[i] = Suspects.new(store, generations, options.old_copies)
    stand_ins[i] = StandIns.new(options.stand_ins)
    node.failures[i], node.listed[i] = 0, i
  end
  return node
end


-- Counts a call to a child that failed or did not.
function Failover:note(at, reply)
  local failed = not reply:all "good" and reply:any "error"
  self.failures[at] = self.failures[at] * DECAY + (failed and 1 or 0)
end


local function read(self, req)
  local reply = Order.run(self, req, FailoverRead.run)
  return self.fail_open and degrade(self, reply) or reply
end


-- A read may end at the first child, so a scan asks whether a read finds the keys of
-- another child. With max_tries a read may fail although another child has the key.
local function read_finds(self, at, req)
  if at == 1 and self.order == "listed" then return nil end
  local answer = Order.run(self, req, FailoverRead.run)
  if self.max_tries == #self.children then return answer end
  for i = 1, req.n do
    if status.class[answer[i]] == "error" then answer:set(i, "miss") end
  end
  return answer
end


local function set(self, req)
  return Order.run(self, req, FailoverWrite.set)
end


local function everywhere(self, req)
  local requests = {}
  for i = 1, #self.children do requests[i] = req end
  local stores = req.op == "touch" and Suspects.touchers(self.suspects) or self.children
  local replies = Parallel.run(stores, requests, #stores)
  for at, answer in ipairs(replies) do
    self:note(at, answer)
    for i = 1, req.n do
      if req.op == "touch" then
        self.stand_ins[at]:prolong(req.keys[i], req:ttl_of(i))
      elseif status.class[answer[i]] ~= "error" then
        self.suspects[at]:clear(req.keys[i])
        self.stand_ins[at]:clear(req.keys[i])
      end
    end
  end
  local reply = replies[1]
  for at = 2, #replies do reply:combine(replies[at]) end
  return reply
end


-- These make no value, so they go to all children. Other writes go to one child.
local EVERYWHERE = { delete = true, touch = true }

function Failover:answer(req)
  if self.budget then self.budget:earn(req.n, self.share) end
  if Op.lookups[req.op] then return read(self, req) end
  if req.op == "scan" then return Copies.scan(self, req, nil, read_finds) end
  if Op.atomic[req.op] then return Atomic.refuse(self, req) end
  local write = EVERYWHERE[req.op] and everywhere or set
  return self.generations:write(self, req, write)
end


Failover.refuses = Atomic.never


-- What tally returns.
Failover.STATS = {
  { "failed_over", is = "counter", help = "keys that went to a further store" },
  { "over_budget", is = "counter",
    help = "keys that did not go on, for want of budget" },
  { "degraded", is = "counter", help = "errors of all stores told as misses" },
  { "failures", is = "gauge", by = "store",
    help = "failures of a store lately, by its position; they fade" },
  Suspects.STATS[1], Suspects.STATS[2],
  { "stand_ins", is = "gauge", help = "keys that may lie in a stand-in store" },
  { "stand_ins_refused", is = "counter",
    help = "keys that no stand-in store took, because stand_ins was reached" },
}

function Failover:tally()
  local old, refused = Suspects.stats(self.suspects)
  local stand_ins, turned_away = Suspects.stats(self.stand_ins)
  local counts = self.counts
  return { failed_over = counts.failed_over, over_budget = counts.over_budget,
    degraded = counts.degraded, failures = self.failures,
    old_copies = old, old_copies_refused = refused, stand_ins = stand_ins,
    stand_ins_refused = turned_away }
end


function Failover:plan(op, key)
  if EVERYWHERE[op] or Op.prefix[op] then return "at every child", self.children end
  local list = {}
  for i, at in ipairs(Order.of(self, key)) do list[i] = self.children[at] end
  return ("the first, and the next for what it leaves; on = %s%s"):format(self.said,
    self.max_tries < #list and (", %d at most"):format(self.max_tries) or ""), list
end


return Failover
