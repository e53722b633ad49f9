-- policy/shared/promote_now.lua: the copy of one value between stores that never wait
-- and keep no request (store.reuses), without a queue and without a task: it is made
-- before the get returns. The rules and the counts are those of promotion.lua. Used by
-- tier.

local host = require "weir.host"
local Promotion = require "weir.policy.shared.promotion"
local Request = require "weir.core.request"

local lend = Request.lend


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
return function(self, key, value, source, targets, since)
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
