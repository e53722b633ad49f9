-- language/writers.lua: finds stores that writes reach by two ways which do not know of
-- each other. Copies kept on one way would become stale. A rule of language/check.lua.

local Op = require "weir.core.op"
local Paths = require "weir.observe.paths"

local Writers = {}


-- What two stores have in common when they are one backend: the name, if it says more
-- than the connector's name.
local function backend(store)
  return store.name:match "%s" and store.name or store
end


-- These words keep copies of values in the stores below them, and make some by
-- themselves. A spool deletes in the store below it by itself.
local COPIES = { tier = true, mirror = true, failover = true, spool = true }


-- The first word on a way, from a place on, that keeps copies.
local function keeper(way, from)
  for i = from, #way do
    if COPIES[way[i][1].word] then return way[i][1] end
  end
end


-- Whether requests on a way may write. Reads of a byop write only below a word that
-- keeps copies.
local function may_write(way)
  for i, step in ipairs(way) do
    if step[1].word == "byop" and (Op.reads[step[2]] or step[2] == "reads") then
      return keeper(way, i) ~= nil
    end
  end
  return true
end


-- The ways by which writes reach each backend, as lists of { node, label }.
local function ways(node, way, all)
  if node.word == "readonly" then return end
  local children = Paths.children(node)
  if #children == 0 and not node.word and may_write(way) then
    local key = backend(node)
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
-- same key. Those that a byop separates do: that is harmful if only one of them passes
-- a word that keeps copies.
local function apart(one, other)
  for i = 1, math.min(#one, #other) do
    if one[i][1] ~= other[i][1] then return false end
    if one[i][2] ~= other[i][2] then
      local word = one[i][1].word
      if word == "byop" then return keeper(one, i + 1) == keeper(other, i + 1) end
      return word == "route" or word == "shard"
    end
  end
  return false
end


-- Adds a finding at the word whose copies become stale.
local function complain(found, paths, one, other)
  if not keeper(one, 1) then one, other = other, one end
  local path = paths.path[one[#one][1]]
  local message = ("%s writes the same store, and %s"):format(
    paths.path[other[#other][1]], keeper(one, 1).word == "spool"
      and "what it sets may be deleted from here" or "copies here become stale")
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
