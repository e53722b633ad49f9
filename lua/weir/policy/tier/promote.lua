-- policy/tier/promote.lua: hands values that a get found in a lower tier to the queue
-- of copies (policy/shared/promotion.lua), when the option promote says so. Used by
-- tier.

local Lent = require "weir.policy.shared.lent"
local Now = require "weir.policy.shared.promote_now"
local Request = require "weir.core.request"

local Promote = {}

local AT_ONCE = 64 -- values that are copied in place with one set


-- The tiers above `level` that answered slot i with a miss. Of an exclusive pair only
-- the first.
local function targets_of(node, failed, i, level)
  local last, all = node.exclusive and 1 or level - 1, true
  if not failed then return node.above[last + 1] end
  for upper = 1, last do all = all and not (failed[upper] and failed[upper][i]) end
  if all then return node.above[last + 1] end
  local targets, tiers = {}, node.children
  for upper = 1, last do
    if not (failed[upper] and failed[upper][i]) then
      targets[#targets + 1] = tiers[upper]
    end
  end
  return targets
end


-- Whether the value of slot i, found at a level, is to be copied up.
local function is_wanted(node, req, reply, i, level)
  if reply.stale and reply.stale[i] then return false end
  return node.decide:ask(req.keys[i], reply:size(i), level, reply:ttl(i), req.n)
end


local function queue_copies(node, req, reply, walk, since, tickets)
  local promotion, tiers = node.promotion, node.children
  for _, i in ipairs(walk.below) do
    local level = walk.levels[i]
    local targets = targets_of(node, walk.failed, i, level)
    if #targets > 0 and is_wanted(node, req, reply, i, level) then
      promotion:add(req.keys[i], Lent.keep(req, reply, i), tiers[level], targets, since,
        nil, tickets and tickets[i])
    end
  end
  promotion:start(node.immediate)
end


-- Copies slots that were found at one level, from place `first` of walk.below on, with
-- one set. Returns the place after the last of them.
local function copy_some(node, req, reply, walk, since, first)
  local below, levels = walk.below, walk.levels
  local level, at, n = levels[below[first]], first, 0
  local set = Request.lend_batch "set"
  local keys, values = set.keys, set.own_values
  while n < AT_ONCE and levels[below[at]] == level do
    local i = below[at]
    if is_wanted(node, req, reply, i, level) then
      n = n + 1
      keys[n], values[n] = req.keys[i], Lent.keep(req, reply, i)
    end
    at = at + 1
  end
  set.n, set.values = n, values
  Now.many(node.promotion, set, node.children[level], node.above[level], since)
  return at
end


--- Copies the slots that were found below the first tier, in place if no store waits.
--- node: the tier. walk: see tier.lua. since: the clock of its generations when the
--- read of the lower tiers began. tickets: those of the guard from then, by slot, if
--- the node has one.
function Promote.found(node, req, reply, walk, since, tickets)
  if not node.reuses or walk.failed then
    return queue_copies(node, req, reply, walk, since, tickets)
  end
  local at = 1
  while walk.below[at] do at = copy_some(node, req, reply, walk, since, at) end
end


--- The same for a request for one key, which all tiers above `level` missed.
function Promote.one(node, req, reply, level, since, tickets)
  local key = req.keys[1]
  if level == 1 or reply.stale and reply.stale[1]
    or not node.decide:ask(key, reply:size(1), level, reply:ttl(1), 1) then return end
  local promotion, source, above = node.promotion, node.children[level],
    node.above[level]
  local value = Lent.keep(req, reply, 1)
  if node.reuses then return Now.one(promotion, key, value, source, above, since) end
  promotion:add(key, value, source, above, since, nil, tickets and tickets[1])
  promotion:start(node.immediate)
end


--- The same for a request for one key, which no tier has.
function Promote.one_missing(node, req)
  if node.decide.resident then node.decide:gone(req.keys[1]) end
end


--- Lets hits(n, "resident") count the keys anew that the last tier does not have.
function Promote.not_found(node, req, walk, left)
  if not node.decide.resident then return end
  local failed = walk.failed and walk.failed[node.depth]
  for _, i in ipairs(left) do
    if not (failed and failed[i]) then node.decide:gone(req.keys[i]) end
  end
end


return Promote
