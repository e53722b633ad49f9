-- explain: which way an operation on a key would go, without running it.
local Exit = require "weir.app.exit"
local Op = require "weir.core.op"

-- The ops of single keys.
local ops = {}
for _, op in ipairs(Op.list) do
  if not Op.prefix[op] then ops[#ops + 1] = op end
end


return {
  name = "explain",
  summary = "Show which way a key would go, and why.",
  description = "Show which way an operation on a key would go through the policies, "
    .. "and why. Nothing is sent.",
  stores = 1,
  arguments = {
    { name = "op", choices = ops,
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
