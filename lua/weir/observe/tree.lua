-- observe/tree.lua: a tree of stores as data and as a drawing, for store:tree().

local Paths = require "weir.observe.paths"

local Tree = {}
Tree.__index = Tree


local function describe(place)
  local store = place.store
  local label = place.label and tostring(place.label) .. " = " or ""
  local what = store.word or store.name
  if store.word and store.name ~= store.word then what = what .. " " .. store.name end
  return label .. what
end


-- Of how many nodes a C store consists, by its gauges; nil: of one server, or it has
-- not yet seen the cluster's map.
local function nodes_of(store)
  local gauges = not store.word and store.handle and store:stats().gauges
  if not gauges or not gauges.slots or gauges.nodes == 0 then return nil end
  return { nodes = gauges.nodes, masters = gauges.masters, slots = gauges.slots,
    redirections = gauges.moved + gauges.asked }
end


local function draw(lines, node)
  local text, c = node.text, node.cluster
  if c then
    text = ("%s: %d nodes, %d masters, %d slots, %d redirections"):format(text, c.nodes,
      c.masters, c.slots, c.redirections)
  end
  lines[#lines + 1] = ("  "):rep(node.depth) .. text
  for _, child in ipairs(node.children) do draw(lines, child) end
end


function Tree:__tostring()
  local lines = {}
  draw(lines, self)
  return table.concat(lines, "\n")
end


--- { path, word, name, label, depth, text, children, cluster } of a store. A store used
--- in two places stands in both. cluster: { nodes, masters, slots, redirections } of a
--- Redis Cluster whose map is known.
function Tree.of(root)
  local stack = {}
  for _, place in ipairs(Paths.of(root).list) do
    local node = setmetatable({
      path = place.path, word = place.store.word, name = place.store.name,
      label = place.label, depth = place.depth, text = describe(place), children = {},
      cluster = nodes_of(place.store),
    }, Tree)
    stack[place.depth] = node
    local above = stack[place.depth - 1]
    if above then table.insert(above.children, node) end
  end
  return stack[0]
end


return Tree
