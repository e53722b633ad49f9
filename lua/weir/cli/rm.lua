-- weir rm: keys and their values away.
local Outcome = require "weir.cli.outcome"
local Target = require "weir.cli.target"

local Rm = { summary = "Delete keys." }


function Rm.define(command)
  Target.define(command)
  Target.keys(command, "+")
end


function Rm.run(args)
  return Target.use(args, function(store, options)
    local reply = store:delete_many(args.key, options)
    return Outcome.each(args, args.key, reply)
  end)
end


return Rm
