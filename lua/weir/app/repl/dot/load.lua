-- .load: a policy file as a store.
return {
  name = "load",
  summary = "Open a policy file; its name is the store's.",
  arguments = {
    { name = "file", kind = "text", is = "file",
      help = "A Lua file that returns a store." },
  },
  run = function(view, args, session)
    local name = session:open(args.file)
    session.current = name
    view:note("%s is %s", name, session.stores[name].inner.name)
  end,
}
