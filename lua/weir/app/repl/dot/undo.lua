-- .undo: back to before the last .reload.
return {
  name = "undo",
  summary = "Go back to before the last .reload of a store.",
  stores = 1,
  arguments = {},
  run = function(view, args)
    local undone, err = args.store:undo()
    if not undone then error(err, 0) end
    view:note("%s is as before the last .reload", args.store.title)
  end,
}
