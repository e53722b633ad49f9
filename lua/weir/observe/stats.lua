-- observe/stats.lua: the stats of a tree as one table by path. schema.lua says what
-- each number means.

local Counters = require "weir.observe.counters"
local Paths = require "weir.observe.paths"

local Stats = {}


-- The stats of one node.
local function of_node(store)
  local ops = {}
  for op, counts in pairs(store.counters) do ops[op] = Counters.read(counts) end
  local entry = { word = store.word, name = store.name, ops = ops }
  if store.tally then
    for name, value in pairs(store:tally()) do entry[name] = value end
  end
  return entry
end


--- The places of a tree with their stats: { path, store, facts }. A store that is used
--- twice stands at its first place.
function Stats.list(root)
  local list = {}
  for i, place in ipairs(Paths.of(root).list) do
    local store = place.store
    local facts = not place.again and (store.counters and of_node(store)
      or store.handle and store:stats()) or nil
    if facts then
      -- The handle of a policy file stands where its tree does.
      local loading = store.loading or i == 1 and root.loading
      facts.fetch = loading and loading:tally() or nil
      list[#list + 1] = { path = place.path, store = store, facts = facts }
    end
  end
  return list
end


--- All of a tree, by path.
function Stats.run(root)
  local all = {}
  for _, place in ipairs(Stats.list(root)) do all[place.path] = place.facts end
  return all
end


return Stats
