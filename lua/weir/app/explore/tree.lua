-- tree: the stores of a tree, as it was built.
local Exit = require "weir.app.exit"
local Paths = require "weir.observe.paths"


-- Lets a Redis Cluster see its map: it gets it to say where a key is.
local function look(root)
  for _, place in ipairs(Paths.of(root).list) do
    local store = place.store
    if store.where then store:where("get", "a") end
  end
end


local function plain(node)
  local children = {}
  for i, child in ipairs(node.children) do children[i] = plain(child) end
  return { path = node.path, word = node.word, name = node.name, label = node.label,
    cluster = node.cluster, children = #children > 0 and children or nil }
end


return {
  name = "tree",
  summary = "Show the tree of policies and stores.",
  stores = 1,
  arguments = {},
  run = function(view, args)
    look(args.store)
    local tree = args.store:tree()
    view:object(plain(tree))
    view:line("%s", tostring(tree))
    return Exit.OK
  end,
}
