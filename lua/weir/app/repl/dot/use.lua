-- .use: which store dot commands mean when none is named.
return {
  name = "use",
  summary = "Choose the store that dot commands mean.",
  arguments = {
    { name = "name", kind = "text", is = "store", help = "An open store." },
  },
  run = function(_, args, session) session.current = session:must_have(args.name) end,
}
