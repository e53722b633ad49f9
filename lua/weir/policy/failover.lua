-- failover { a, b, on="error", order="listed", ttl=, stand_ins=65536, old_copies=65536
-- }: sends the slots that failed at a to b, and so on, as mcrouter's FailoverRoute.
-- With on = "miss" the slots that a misses go on, too. A slot is a miss only if no
-- store that was asked had an error. Deletes and touches go to all children. ttl is the
-- time to live of sets that land at another child than the first.
--
-- A set that lands at b while a is down leaves an older copy in a. A set that lands at
-- a again leaves an older copy in b. Such copies are deleted or suspect, and suspect
-- copies are passed by (policy/shared/suspects.lua), so a child that goes down and
-- comes back never serves an older value. Both tables are bounded, for each child. When
-- stand_ins keys may lie in a stand-in it gets no further ones. A set that makes more
-- than old_copies suspect is an error.

local Arguments = require "weir.policy.shared.arguments"
local Copies = require "weir.policy.shared.scan_copies"
local FailoverWrite = require "weir.policy.failover.write"
local Generations = require "weir.policy.shared.generations"
local Node = require "weir.policy.shared.node"
local Op = require "weir.core.op"
local Parallel = require "weir.policy.shared.parallel"
local status = require "weir.core.status"
local StandIns = require "weir.policy.failover.stand_ins"
local Suspects = require "weir.policy.shared.suspects"

local Failover = Node.word "failover"

Failover.HELP = "What the first store could not do goes to the next one. It never "
  .. "serves a value older than the last write."
Failover.EXAMPLE = "failover { far, ram, ttl = 60 }"
Failover.OPTIONS = {
  { "on", is = { "error", "miss" }, default = "error",
    help = "what makes a read go on to the next store",
    values = { error = "an error", miss = "an error or a miss" } },
  { "order", is = { "listed", "least_failures" }, default = "listed",
    help = "in which order the stores are tried",
    values = { listed = "as they are written",
      least_failures = "the one that failed least comes first" } },
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
    children = stores, on = options.on, order = options.order, extra = options.ttl,
    generations = generations, suspects = suspects, stand_ins = stand_ins,
    failures = {}, counts = { failed_over = 0 },
  }
  for i, store in ipairs(stores) do
    suspects[i] = Suspects.new(store, generations, options.old_copies)
    stand_ins[i] = StandIns.new(options.stand_ins)
    node.failures[i] = 0
  end
  return node
end


-- ---- the order of the children ----

function Failover:ranking()
  local order = {}
  for i = 1, #self.children do order[i] = i end
  if self.order == "least_failures" then
    table.sort(order, function(a, b)
      local left, right = self.failures[a], self.failures[b]
      if left ~= right then return left < right end
      return a < b
    end)
  end
  return order
end


-- Counts a call to a child that failed or did not.
function Failover:note(at, reply)
  local failed = not reply:all "good" and reply:any "error"
  self.failures[at] = self.failures[at] * DECAY + (failed and 1 or 0)
end


-- ---- reading ----

-- Whether a store that stood in for the first may have the key.
local function may_stand_in(self, key)
  for at = 2, #self.children do
    if self.stand_ins[at]:has(key) then return true end
  end
  return false
end


-- The slots that go on to the next child. A miss is final if it is the first child's,
-- the first child is asked first, and no other child stood in for it.
local function unfinished(self, req, reply)
  local slots, goes_on = {}, self.on == "miss" or self.order ~= "listed"
  for i = 1, reply.n do
    local name = reply[i]
    if status.class[name] == "error"
      or name == "miss" and (goes_on or may_stand_in(self, req.keys[i])) then
      slots[#slots + 1] = i
    end
  end
  return slots
end


-- Forgets keys that a store which stood in does not have any more.
local function note_lost(self, at, req, answer, slots, since)
  local stand_ins = self.stand_ins[at]
  if stand_ins:count() == 0 then return end
  for j = 1, answer.n do
    local key = req.keys[slots and slots[j] or j]
    if answer[j] == "miss" and self.generations:quiet(key, since) then
      stand_ins:missed(key)
    end
  end
end


local function read(self, req)
  local order, reply = self:ranking(), nil
  local slots
  local since = self.generations:now()
  for turn, at in ipairs(order) do
    if turn == 1 then
      reply = self.suspects[at]:read(req)
      self:note(at, reply)
      note_lost(self, at, req, reply, nil, since)
    else
      self.counts.failed_over = self.counts.failed_over + #slots
      local answer = self.suspects[at]:read(req:subset(slots))
      self:note(at, answer)
      note_lost(self, at, req, answer, slots, since)
      reply:merge(answer, slots)
    end
    if reply:all "good" then break end
    slots = unfinished(self, req, reply)
    if #slots == 0 then break end
  end
  return reply
end


-- A read may end at the first child, so a scan asks whether a read finds the keys of
-- another child.
local function read_finds(self, at, req)
  if at == 1 and self.order == "listed" then return nil end
  return read(self, req)
end


-- ---- the rest ----

local function everywhere(self, req)
  local requests = {}
  for i = 1, #self.children do requests[i] = req end
  local replies = Parallel.run(self.children, requests, #self.children)
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
  if Op.lookups[req.op] then return read(self, req) end
  if req.op == "scan" then return Copies.scan(self, req, nil, read_finds) end
  local write = EVERYWHERE[req.op] and everywhere or FailoverWrite.set
  return self.generations:write(self, req, write)
end


-- What tally returns.
Failover.STATS = {
  { "failed_over", is = "counter", help = "keys that went to a further store" },
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
  return { failed_over = self.counts.failed_over, failures = self.failures,
    old_copies = old, old_copies_refused = refused, stand_ins = stand_ins,
    stand_ins_refused = turned_away }
end


function Failover:plan(op)
  if EVERYWHERE[op] or Op.prefix[op] then return "at every child", self.children end
  local list = {}
  for i, at in ipairs(self:ranking()) do list[i] = self.children[at] end
  return "the first, and the next for what it leaves; on = " .. self.on, list
end


return Failover
