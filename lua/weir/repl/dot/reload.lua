-- .reload: a policy file read anew.
local weir = require "weir"


return {
  name = "reload",
  summary = "Read a store's policy file anew.",
  description = "Read a store's policy file anew. New operations go to the new tree, "
    .. "those in flight end on the old one, which .undo brings back. A file that is "
    .. "wrong changes nothing.",
  stores = 1,
  arguments = {},
  run = function(view, args, session)
    local name = args.store.title
    local file = session.marks[name].file
    if not file then error(name .. " was not opened from a policy file", 0) end
    session:replace(name, weir.load(file))
    view:note("%s is read anew; .undo goes back", name)
  end,
}
