-- language/writers.lua: finds stores that writes reach by two ways which do not know of
-- each other. Copies kept on one way would become stale. A rule of language/check.lua.

local Backend = require "weir.policy.shared.backend"
local Op = require "weir.core.op"
local Paths = require "weir.observe.paths"

local Writers = {}


local function always(harm)
  return function() return harm end
end

-- Says what a write that goes around a node does there; nil: no harm. These words keep
-- copies of values, or remember something about keys.
local STALE = "copies here become stale"
local HARMS = {
  mirror = always(STALE), failover = always(STALE), bysize = always(STALE),
  warmup = always(STALE),
  spool = always "what it sets may be deleted from here",
  tier = function(node) return not node.coherent and STALE or nil end,
  shard = function(node) return node.replicas > 1 and STALE or nil end,
  negative = function(node)
    return not node:can_tell() and "what it sets may be a miss here for a while" or nil
  end,
  ttl = function(node)
    return node.refresh and not node:can_tell()
      and "a refresh here may overwrite what it sets" or nil
  end,
}


local function harm(node)
  local harms = HARMS[node.word]
  return harms and harms(node)
end


-- The last node on a way, from a place on, that a write around it harms. other: a way
-- by which writes go; what is on that way sees them.
local function harmed(way, from, other)
  local seen = {}
  for _, step in ipairs(other or {}) do seen[step[1]] = true end
  for i = #way, from, -1 do
    local node = way[i][1]
    if not seen[node] and harm(node) then return node end
  end
end


-- Whether a way counts: requests on it may write, or writes harm a node on it.
local function may_write(way)
  for i, step in ipairs(way) do
    if step[1].word == "byop" and (Op.reads[step[2]] or step[2] == "reads") then
      return harmed(way, i) ~= nil
    end
  end
  return true
end


-- The ways by which writes reach each backend, as lists of { node, label }.
local function ways(node, way, all)
  if node.word == "readonly" then return end
  local children = Paths.children(node)
  if #children == 0 and not node.word and may_write(way) then
    local key = Backend.of(node)
    all[key] = all[key] or {}
    table.insert(all[key], way)
  end
  for _, entry in ipairs(children) do
    local longer = { unpack(way) }
    longer[#longer + 1] = { node, entry[1] }
    ways(entry[2], longer, all)
  end
end


-- Whether two ways never harm each other. Those that a route separates never carry the
-- same key. Those that a byop separates do: that is harmful if one of them passes a
-- node that the other one does not pass, and that has to see all writes. Those of a
-- migrate know of each other.
local function apart(one, other)
  for i = 1, math.min(#one, #other) do
    if one[i][1] ~= other[i][1] then return false end
    if one[i][2] ~= other[i][2] then
      local word = one[i][1].word
      if word == "byop" then
        return not harmed(one, i + 1, other) and not harmed(other, i + 1, one)
      end
      return word == "route" or word == "shard" or word == "percent"
        or word == "migrate"
    end
  end
  return false
end


-- Adds a finding at the node that is harmed. Where neither way has one of its own, both
-- write the same copies.
local function complain(found, paths, one, other)
  local node = harmed(one, 1, other)
  if not node then
    node = harmed(other, 1, one)
    if node then one, other = other, one end
  end
  local path = paths.path[node or one[#one][1]]
  local message = ("%s writes the same store, and %s"):format(
    paths.path[other[#other][1]], node and harm(node) or STALE)
  local last = found[#found]
  if last and last.path == path and last.message == message then return end
  found[#found + 1] = { path = path, rule = "writers", message = message }
end


--- Adds the findings for a tree.
function Writers.check(found, paths, root)
  local all = {}
  ways(root, {}, all)
  for _, list in pairs(all) do
    for i = 2, #list do
      for k = i - 1, 1, -1 do
        if not apart(list[k], list[i]) then
          complain(found, paths, list[k], list[i])
          break
        end
      end
    end
  end
end


return Writers
