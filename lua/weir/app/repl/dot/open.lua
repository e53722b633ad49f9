-- .open: one more store.
return {
  name = "open",
  summary = "Open a store under a name.",
  description = "Open a store under a name: a URL, a connector or a policy file. "
    .. "Without a name it is called after the connector or the file; name=URL names "
    .. "it, too. prod=true among a URL's options makes every change ask.",
  arguments = {
    { name = "name", kind = "text", optional = true, is = "file",
      help = "The name to give it." },
    { name = "target", kind = "text", is = "file",
      help = "A URL, a connector or a policy file." },
  },
  run = function(view, args, session)
    local name = session:open(args.target, args.name)
    view:note("%s is %s", name, session.stores[name].inner.name)
  end,
}
