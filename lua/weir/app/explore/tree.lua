-- tree: the stores of a tree, as it was built.
local Exit = require "weir.app.exit"


local function plain(node)
  local children = {}
  for i, child in ipairs(node.children) do children[i] = plain(child) end
  return { path = node.path, word = node.word, name = node.name, label = node.label,
    children = #children > 0 and children or nil }
end


return {
  name = "tree",
  summary = "Show the tree of policies and stores.",
  stores = 1,
  arguments = {},
  run = function(view, args)
    local tree = args.store:tree()
    view:object(plain(tree))
    view:line("%s", tostring(tree))
    return Exit.OK
  end,
}
