-- .open: one more store.
return {
  name = "open",
  summary = "Open a store under a name.",
  description = "Open a store under a name: a URL, a connector or a policy file. "
    .. "prod=true among a URL's options makes every change ask.",
  arguments = {
    { name = "name", kind = "text", help = "What to call it." },
    { name = "target", kind = "text", is = "file",
      help = "A URL, a connector or a policy file." },
  },
  run = function(view, args, session)
    session:open(args.target, args.name)
    view:note("%s is %s", args.name, session.stores[args.name].inner.name)
  end,
}
