-- .breaker: the breakers of a store, and how to set one by hand.
local Breakers = require "weir.observe.breakers"
local root_of = require "weir.app.explore.root"


return {
  name = "breaker",
  summary = "Show a store's breakers, or set one by hand.",
  description = "Show a store's breakers. Or set one by hand: open skips every call, "
    .. "disable lets every call pass, both until reset. The path is the one of .tree; "
    .. "a single breaker needs none.",
  stores = 1,
  arguments = {
    { name = "action", choices = { "open", "disable", "reset" }, optional = true,
      help = "What to do: open, disable, reset." },
    { name = "path", kind = "text", optional = true,
      help = "The path of the breaker." },
  },
  run = function(view, args)
    local root = root_of(args.store)
    if args.action then
      local path, state = Breakers.force(root, args.action, args.path)
      view:note("%s is %s", path, state)
      return
    end
    local rows = {}
    for i, entry in ipairs(Breakers.list(root)) do
      view:object { path = entry.path, state = entry.state }
      rows[i] = { entry.path, entry.state }
    end
    view:table(rows, "ll")
    if #rows == 0 then view:note "there is no breaker" end
  end,
}
