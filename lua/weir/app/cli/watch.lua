-- weir watch: an expression over stores, again and again.
local Kinds = require "weir.app.explore.kinds"
local weir = require "weir"

local Command = {
  summary = "Evaluate an expression over a store again and again.",
  description = "Evaluate an expression of Lua over a store again and again, and show "
    .. "what it is when it changes. The store is called as in a session (redis, disk, "
    .. "the file's name), and also `store`: weir watch redis://h 'store:stat \"a\"'",
}


function Command.define(command)
  command:argument "store"
    :description "A URL (fs:///var/cache), a connector or a policy file (kv.lua)."
  command:argument "expression"
    :description "Lua."
  command:option "-e --every"
    :argname "<time>"
    :description "The pause; 1s."
    :default "1s"
    :convert(Kinds.time)
  command:option "-n --times"
    :argname "<count>"
    :description "End after so many evaluations."
    :convert(Kinds.count)
  command:flag "--json"
    :description "Write results as JSON."
end


function Command.run(args)
  return weir.run(require("weir.app.repl").watch, args.store, args.expression, args)
end


return Command
