-- policy/shared/promote_now.lua: copies of values between stores that never wait and
-- keep no request (store.reuses), without a queue and without a task: they are made
-- before the get returns. The rules and the counts are those of promotion.lua. Used by
-- tier.

local host = require "weir.host"
local Promotion = require "weir.policy.shared.promotion"
local Request = require "weir.core.request"

local lend, lend_batch = Request.lend, Request.lend_batch

local Now = {}


-- The time to live that the source tells: a number, or nil for ever; false: it does not
-- have the value any more, or did not answer.
local function time_left(self, key, source)
  local req = lend("stat", key)
  local facts = source:run(req)
  local name, ttl, longest = facts[1], facts:ttl(1), self.longest
  facts:give_back()
  req:give_back()
  if name == "ok" or name == "unsupported" then
    return longest and math.min(ttl or longest, longest) or ttl
  end
  local count = name == "miss" and "expired" or "failed"
  self.counts[count] = self.counts[count] + 1
  return false
end


local function delete(key, target)
  local req = lend("delete", key)
  target:run(req):give_back()
  req:give_back()
end


local function store(self, key, value, target, ttl, asked, since)
  local req = lend("set", key)
  req:with_value(value, 1)
  req.ttl = ttl
  local reply = target:run(req)
  local outcome = Promotion.outcome_of(reply[1], ttl, asked)
  reply:give_back()
  req:give_back()
  if self.generations:changed_since(key, since) then outcome = "changed" end
  self.counts[outcome] = self.counts[outcome] + 1
  if Promotion.UNDO[outcome] then delete(key, target) end
end


local function copy(self, key, value, source, targets, since)
  local asked = host.now()
  local ttl = time_left(self, key, source)
  if ttl == false then return end
  for i = 1, #targets do store(self, key, value, targets[i], ttl, asked, since) end
end


--- Copies a value to `targets`; see Promotion:add.
---@param self table a promotion
function Now.one(self, key, value, source, targets, since)
  local generations, counts = self.generations, self.counts
  if not generations:quiet(key, since) then
    counts.superseded = counts.superseded + 1
    return
  end
  if #value > self.most_bytes then
    counts.dropped = counts.dropped + 1
    return
  end
  if not pcall(copy, self, key, value, source, targets, since) then
    counts.failed = counts.failed + 1
  end
  generations:copied(key)
end


-- ---- several values: a set that was lent, whose lists shrink to what is copied ----

-- Moves slot i of a set to slot `to`.
local function move(set, to, i)
  if to == i then return end
  local keys, values = set.keys, set.values
  keys[to], values[to] = keys[i], values[i]
end


local function shrink(set, n)
  for i = n + 1, set.n do set.keys[i], set.values[i] = nil, nil end
  set.n = n
end


-- Leaves out the keys that were written since, and values that are too large.
local function leave_out(self, set, since)
  local generations, counts, n = self.generations, self.counts, 0
  for i = 1, set.n do
    if not generations:quiet(set.keys[i], since) then
      counts.superseded = counts.superseded + 1
    elseif #set.values[i] > self.most_bytes then
      counts.dropped = counts.dropped + 1
    else
      n = n + 1
      move(set, n, i)
    end
  end
  if n < set.n then shrink(set, n) end
end


-- Leaves out the keys that the source does not have any more, and notes the seconds
-- that the others have left to live.
local function note_times(self, set, source)
  local req = lend_batch "stat"
  req.keys, req.n = set.keys, set.n
  local facts = source:run(req)
  local counts, longest, n = self.counts, self.longest, 0
  for i = 1, set.n do
    local name = facts[i]
    if name == "ok" or name == "unsupported" then
      n = n + 1
      move(set, n, i)
      local ttl = facts:ttl(i)
      if longest then ttl = math.min(ttl or longest, longest) end
      if ttl then
        set.ttls = set.ttls or {}
        set.ttls[n] = ttl
      end
    else
      local count = name == "miss" and "expired" or "failed"
      counts[count] = counts[count] + 1
    end
  end
  facts:give_back()
  req:give_back()
  if n < set.n then shrink(set, n) end
end


-- Counts the slots of a reply one by one. Deletes the copies that must go.
local function settle(self, set, reply, target, asked, since)
  local counts, generations = self.counts, self.generations
  for i = 1, set.n do
    local outcome = Promotion.outcome_of(reply[i], set:ttl_of(i), asked)
    if generations:changed_since(set.keys[i], since) then outcome = "changed" end
    counts[outcome] = counts[outcome] + 1
    if Promotion.UNDO[outcome] then delete(set.keys[i], target) end
  end
end


local function copy_all(self, set, source, targets, since)
  local asked = host.now()
  note_times(self, set, source)
  if set.n == 0 then return end
  for i = 1, #targets do
    local reply = targets[i]:run(set)
    if reply.good == set.n and not set.ttls and not self.generations.elsewhere then
      self.counts.stored = self.counts.stored + set.n
    else
      settle(self, set, reply, targets[i], asked, since)
    end
    reply:give_back()
  end
end


--- Copies several values to `targets`. set: a lent request with keys and values. It is
--- given back.
function Now.many(self, set, source, targets, since)
  leave_out(self, set, since)
  if set.n > 0 then
    if not pcall(copy_all, self, set, source, targets, since) then
      self.counts.failed = self.counts.failed + set.n
    end
    self.generations:copied_all(set)
  end
  set:give_back()
end


return Now
