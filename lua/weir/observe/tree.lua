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


local function draw(lines, node)
  lines[#lines + 1] = ("  "):rep(node.depth) .. node.text
  for _, child in ipairs(node.children) do draw(lines, child) end
end


function Tree:__tostring()
  local lines = {}
  draw(lines, self)
  return table.concat(lines, "\n")
end


--- { path, word, name, label, depth, text, children } of a store. A store used in
--- two places stands in both.
function Tree.of(root)
  local stack = {}
  for _, place in ipairs(Paths.of(root).list) do
    local node = setmetatable({
      path = place.path, word = place.store.word, name = place.store.name,
      label = place.label, depth = place.depth, text = describe(place), children = {},
    }, Tree)
    stack[place.depth] = node
    local above = stack[place.depth - 1]
    if above then table.insert(above.children, node) end
  end
  return stack[0]
end


return Tree
