-- .close: a store less.
return {
  name = "close",
  summary = "Close a store.",
  arguments = {
    { name = "name", kind = "text", is = "store", help = "An open store." },
  },
  run = function(_, args, session) session:close(session:must_have(args.name)) end,
}
