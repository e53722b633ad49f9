-- policy/tier/promote.lua: hands values that a get found in a lower tier to the queue
-- of copies (policy/shared/promotion.lua), when the option promote says so. Used by
-- tier.

local copy_now = require "weir.policy.shared.promote_now"
local Lent = require "weir.policy.shared.lent"

local Promote = {}


-- The tiers above `level` that answered slot i with a miss. Of an exclusive pair only
-- the first.
local function targets_of(node, failed, i, level)
  local last, all = node.exclusive and 1 or level - 1, true
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


--- Queues copies of the slots that were found below the first tier. node: the tier.
--- walk: see tier.lua. since: the clock of its generations when the read of the lower
--- tiers began. tickets: those of the guard from then, by slot, if the node has one.
function Promote.found(node, req, reply, walk, since, tickets)
  local decide, promotion, tiers = node.decide, node.promotion, node.children
  for _, i in ipairs(walk.below) do
    local key, level = req.keys[i], walk.levels[i]
    local targets = targets_of(node, walk.failed, i, level)
    local stale = reply.stale and reply.stale[i]
    if #targets > 0 and not stale
      and decide:ask(key, reply:size(i), level, reply:ttl(i), req.n) then
      promotion:add(key, Lent.keep(req, reply, i), tiers[level], targets, since, nil,
        tickets and tickets[i])
    end
  end
  promotion:start(node.immediate)
end


--- The same for a request for one key, which all tiers above `level` missed.
function Promote.one(node, req, reply, level, since, tickets)
  local key = req.keys[1]
  if level == 1 or reply.stale and reply.stale[1]
    or not node.decide:ask(key, reply:size(1), level, reply:ttl(1), 1) then return end
  local promotion, source, above = node.promotion, node.children[level],
    node.above[level]
  local value = Lent.keep(req, reply, 1)
  if node.reuses then return copy_now(promotion, key, value, source, above, since) end
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
  local failed = walk.failed[node.depth]
  for _, i in ipairs(left) do
    if not (failed and failed[i]) then node.decide:gone(req.keys[i]) end
  end
end


return Promote
