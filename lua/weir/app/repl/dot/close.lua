-- .close: a store less.
return {
  name = "close",
  summary = "Close a store.",
  description = "Close a store. With --destroy an shm store is removed, too, with all "
    .. "keys. Processes that have it open keep it until they close it.",
  arguments = {
    { name = "name", kind = "text", is = "store", help = "An open store." },
  },
  options = {
    { name = "destroy", help = "Remove the memory of an shm store, too." },
  },
  run = function(_, args, session)
    session:close(session:must_have(args.name), args.destroy)
  end,
}
