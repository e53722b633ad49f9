-- .reload: a policy file read anew.
return {
  name = "reload",
  summary = "Read a store's policy file anew.",
  description = "Read a store's policy file anew. New operations go to the new tree, "
    .. "those in flight end on the old one, which .undo brings back. Stores that stay "
    .. "as they were are carried over. A file that is wrong changes nothing.",
  stores = 1,
  arguments = {},
  run = function(view, args)
    local reloaded, err = args.store:reload()
    if not reloaded then error(err, 0) end
    view:note("%s is read anew; .undo goes back", args.store.title)
  end,
}
