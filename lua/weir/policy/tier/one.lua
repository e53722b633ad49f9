-- policy/tier/one.lua: a read of one key in the tiers below the first, as long as each
-- tier has it or says that there is none. It makes no lists and no requests: every tier
-- gets the request itself. Used by tier.

local Promote = require "weir.policy.tier.promote"

local One = {}


-- A stale miss carries an old value, which the caller looks at.
local function plain_miss(reply)
  return reply[1] == "miss" and not reply.stale
end


-- Asks the tier below `level`, which missed the key.
local function step(node, req, reply, level)
  node.missed[level] = node.missed[level] + 1
  local answer = node.suspects[level + 1]:read(req)
  reply:give_back()
  return answer
end


-- A loop of its own: LuaJIT gives up on one that is hardly ever run twice.
local function further(node, req, reply)
  local level = 2
  while level < node.depth and plain_miss(reply) do
    reply = step(node, req, reply, level)
    level = level + 1
  end
  return reply, level
end


--- Asks the tiers below the first, which answered `reply`, until one answers something
--- other than a plain miss. Returns the last answer and its tier. Tiers above it have
--- answered with plain misses, which are counted.
function One.descend(node, req, reply)
  if not plain_miss(reply) then return reply, 1 end
  reply = step(node, req, reply, 1)
  if node.depth == 2 or not plain_miss(reply) then return reply, 2 end
  return further(node, req, reply)
end


--- Ends the read if its last answer is a value or the authority's plain miss: counts
--- it and has the value copied up. false: it is something else.
function One.finish(node, req, reply, level, since, tickets)
  if reply[1] == "ok" then
    node.found[level] = node.found[level] + 1
    reply.levels = { level }
    if req.op == "get" and not req.peek then
      Promote.one(node, req, reply, level, since, tickets)
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
