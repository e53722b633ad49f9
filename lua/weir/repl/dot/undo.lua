-- .undo: back to before the last .reload.
return {
  name = "undo",
  summary = "Go back to before the last .reload of a store.",
  stores = 1,
  arguments = {},
  run = function(view, args)
    local guard = args.store
    local handle = guard:sound()
    if not handle.undo then
      error(guard.title .. " was not opened from a policy file", 0)
    end
    local undone, err = handle:undo()
    if not undone then error(err, 0) end
    view:note("%s is as before the last .reload", guard.title)
  end,
}
