-- policy/failover/read.lua: a read of a failover, whose node is `self`: what a child
-- leaves goes to the next one. Used by failover.

local Answered = require "weir.policy.shared.answered"
local status = require "weir.core.status"

local FailoverRead = {}


-- Whether a store that stood in for the first of an order may have the key.
local function may_stand_in(self, key, first)
  for at = 1, #self.children do
    if at ~= first and self.stand_ins[at]:has(key) then return true end
  end
  return false
end


-- Whether a miss of the children asked so far is not final: another one may have the
-- key. A miss is final if it is the first child's, the first child is asked first, and
-- no other child stood in for it.
local function may_be_elsewhere(self, key, first)
  return self.order == "least_failures" or may_stand_in(self, key, first)
end


--- The slots among those that failed which may go on to the next child, by max_tries
--- and by the budget. tried: how many children were asked.
function FailoverRead.afford(self, failed, tried)
  local n = #failed
  if tried >= self.max_tries then return {} end
  if not self.budget or n == 0 then return failed end
  local most = self.budget:afford(n)
  self.budget:spend(most)
  self.counts.over_budget = self.counts.over_budget + n - most
  for i = most + 1, n do failed[i] = nil end
  return failed
end


-- The slots that go on to the next child.
local function unfinished(self, req, reply, order, tried)
  local failed, missed = {}, {}
  for i = 1, reply.n do
    local name = reply[i]
    if name == "miss" and may_be_elsewhere(self, req.keys[i], order[1]) then
      missed[#missed + 1] = i
    elseif status.class[name] ~= "good" and self.on[name] then
      failed[#failed + 1] = i
    end
  end
  failed = FailoverRead.afford(self, failed, tried)
  if #missed == 0 then return failed end
  for _, i in ipairs(failed) do missed[#missed + 1] = i end
  table.sort(missed)
  return missed
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


local function ask(self, at, req, slots, since)
  local answer = self.suspects[at]:read(slots and req:subset(slots) or req)
  self:note(at, answer)
  note_lost(self, at, req, answer, slots, since)
  return Answered.by(answer, at)
end


--- Reads from the children of an order, until nothing is left.
function FailoverRead.run(self, req, order)
  local since = self.generations:now()
  local reply = ask(self, order[1], req, nil, since)
  for turn = 2, #order do
    if reply:all "good" then break end
    local slots = unfinished(self, req, reply, order, turn - 1)
    if #slots == 0 then break end
    if req.trace then
      req.trace:decide(self, ("[%d] leaves %d of %d"):format(order[turn - 1], #slots,
        req.n))
    end
    self.counts.failed_over = self.counts.failed_over + #slots
    reply:merge(ask(self, order[turn], req, slots, since), slots)
  end
  return reply
end


return FailoverRead
