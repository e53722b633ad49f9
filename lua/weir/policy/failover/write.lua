-- policy/failover/write.lua: sends a set of a failover to the first child that stores
-- it. The children that failed before, and those that once stood in, may have older
-- copies of the key. These are deleted, or become suspect. Both tables are bounded:
-- when there is no room, the set is not sent to a stand-in, or not acknowledged.

local Answered = require "weir.policy.shared.answered"
local FailoverRead = require "weir.policy.failover.read"
local Lent = require "weir.policy.shared.lent"
local Reply = require "weir.core.reply"
local status = require "weir.core.status"

local FailoverWrite = {}

-- The child has the value, or does not admit it and has deleted its older one. In both
-- cases no child may answer with an older copy.
local DECIDED = { ok = true, rejected = true }


-- Slots of which another child may have an older copy: it once stood in, is suspect
-- already, or the order of the children changes.
local function doubtful(self, req, stored, other)
  local slots = {}
  for _, i in ipairs(stored) do
    local key = req.keys[i]
    if self.order == "least_failures" or self.stand_ins[other]:has(key)
      or self.suspects[other]:has(key) then
      slots[#slots + 1] = i
    end
  end
  return slots
end


local function delete_old(self, req, reply, stored, other)
  local slots = doubtful(self, req, stored, other)
  if self.suspects[other]:invalidate(req, slots, reply) then
    self.generations:moved()
  end
  for _, i in ipairs(slots) do
    local key = req.keys[i]
    if not self.suspects[other]:has(key) then self.stand_ins[other]:clear(key) end
  end
end


-- Marks the copies of a child that failed in this set. No delete is sent to it.
local function suspect(self, req, reply, stored, other)
  for _, i in ipairs(stored) do
    if not self.suspects[other]:add(req.keys[i]) then
      reply:set(i, "nospace", { store = self.name,
        message = self.name .. ": " .. self.suspects[other]:full() })
    end
  end
end


-- Sees to older copies after one child has stored some slots.
local function settle(self, req, reply, stored, at, failed)
  if #stored == 0 then return end
  for _, i in ipairs(stored) do self.suspects[at]:clear(req.keys[i]) end
  for other = 1, #self.children do
    if failed[other] then
      suspect(self, req, reply, stored, other)
    elseif other ~= at then
      delete_old(self, req, reply, stored, other)
    end
  end
end


local function unfinished_set(self, reply, slots, tried)
  local left = {}
  for _, i in ipairs(slots) do
    if status.class[reply[i]] == "error" and self.on[reply[i]] then
      left[#left + 1] = i
    end
  end
  return FailoverRead.afford(self, left, tried)
end


-- Says in a slot's error that a store could not stand in for lack of room.
local function explain(self, at, reply, i)
  local err = reply:error(i)
  reply:note("messages", i, ("%s; %s: %s cannot stand in, it does for %d keys already "
    .. "(stand_ins = %d)"):format(tostring(err), self.name, self.children[at].name,
    self.stand_ins[at]:count(), self.stand_ins[at].most))
end


-- Notes the keys before they are sent to a stand-in. The store may hold them from then
-- on, even if its reply is an error. Returns the slots that could be noted.
local function noted(self, at, req, slots, reply, first)
  if at == first then return slots end
  local list = {}
  for _, i in ipairs(slots) do
    if self.stand_ins[at]:add(req.keys[i], self.extra or req:ttl_of(i)) then
      list[#list + 1] = i
    else
      explain(self, at, reply, i)
    end
  end
  return list
end


local function send(self, at, req, slots, first)
  local sub = req:subset(slots)
  if at ~= first and self.extra then sub.ttl, sub.ttls = self.extra, nil end
  local answer = self.children[at]:run(sub)
  self:note(at, answer)
  return Answered.by(answer, at)
end


--- Runs a set of a failover over the children of an order, under the locks of its keys.
function FailoverWrite.set(self, req, order)
  local reply = Reply.uniform(req, "skipped", "failover: no store was asked")
  local failed = {}
  local slots = Lent.all(req.n)
  for turn, at in ipairs(order) do
    local sent = noted(self, at, req, slots, reply, order[1])
    local answer = #sent > 0 and send(self, at, req, sent, order[1])
    local stored = {}
    for j, i in ipairs(sent) do
      reply:adopt(i, answer, j)
      if DECIDED[answer[j]] then stored[#stored + 1] = i end
    end
    settle(self, req, reply, stored, at, failed)
    slots = unfinished_set(self, reply, slots, turn)
    if #slots == 0 or turn == #order then break end
    self.counts.failed_over = self.counts.failed_over + #slots
    failed[at] = true
  end
  return reply
end


return FailoverWrite
