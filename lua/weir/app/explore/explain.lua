-- explain: which way an operation on a key would go, without running it.
local Exit = require "weir.app.exit"


return {
  name = "explain",
  summary = "Show which way a key would go, and why.",
  description = "Show which way an operation on a key would go through the policies, "
    .. "and why. Nothing is sent.",
  stores = 1,
  arguments = {
    { name = "op", choices = { "get", "set", "exists", "delete", "stat", "touch" },
      help = "The operation." },
    { name = "key", kind = "key", help = "The key." },
  },
  run = function(view, args)
    local steps = args.store:explain(args.op, args.key)
    for _, step in ipairs(steps) do view:object(step) end
    view:line("%s", tostring(steps))
    return Exit.OK
  end,
}
