-- policy/shared/backend.lua: whether two trees reach the same stores at their ends.
-- Used by migrate and weir check.

local Backend = {}


--- What two stores have in common when they are one: the name, if it says more than the
--- connector's name.
function Backend.of(store)
  return store.name:match "%s" and store.name or store
end


-- Notes the stores at the ends of a tree: also words that show none below them, such as
-- quota and a route with a function. Those below readonly are only read.
local function collect(node, found)
  if node.word == "readonly" then return found end
  local ends = true
  for _, child in pairs(node.children or {}) do
    ends = false
    collect(child, found)
  end
  if ends then found[Backend.of(node)] = true end
  return found
end


--- Whether a write of one tree may reach a store of the other tree.
function Backend.shared(one, other)
  local stores = collect(other, {})
  for store in pairs(collect(one, {})) do
    if stores[store] then return true end
  end
  return false
end


return Backend
