-- .undo: back to before the last .reload.
return {
  name = "undo",
  summary = "Go back to before the last .reload of a store.",
  stores = 1,
  arguments = {},
  run = function(view, args, session)
    local name = args.store.title
    if not session:undo(name) then error(name .. " was not reloaded", 0) end
    view:note("%s is as before the last .reload; .undo again takes that back", name)
  end,
}
