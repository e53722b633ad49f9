-- policy/tier/one.lua: a read of one key in the tiers below the first, as long as each
-- tier has it or says that there is none. It makes no lists and no requests: every tier
-- gets the request itself. Used by tier.

local Promote = require "weir.policy.tier.promote"

local One = {}


-- A stale miss carries an old value, which the caller looks at.
local function plain_miss(reply)
  return reply[1] == "miss" and not reply.stale
end


--- Asks the tiers below the first, which answered `reply`, until one answers something
--- other than a plain miss. Returns the last answer and its tier. Tiers above it have
--- answered with plain misses, which are counted.
function One.descend(node, req, reply)
  local level, missed = 1, node.missed
  while level < node.depth and plain_miss(reply) do
    missed[level] = missed[level] + 1
    level = level + 1
    local answer = node.suspects[level]:read(req)
    reply:give_back()
    reply = answer
  end
  return reply, level
end


--- Ends the read if its last answer is a value or the authority's plain miss: counts
--- it and has the value copied up. false: it is something else.
function One.finish(node, req, reply, level, since)
  if reply[1] == "ok" then
    node.found[level] = node.found[level] + 1
    reply.levels = { level }
    if req.op == "get" and not req.peek then
      Promote.one(node, req, reply, level, since)
    end
    return true
  end
  if not plain_miss(reply) then return false end
  node.missed[level] = node.missed[level] + 1
  reply.levels = nil
  if req.op == "get" and not req.peek then Promote.one_missing(node, req) end
  return true
end


return One
