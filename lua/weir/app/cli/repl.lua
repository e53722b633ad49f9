-- weir repl: a session over stores.
local Exit = require "weir.app.exit"
local Params = require "weir.language.params"
local weir = require "weir"

local Command = {
  summary = "Explore stores in a session: Lua, and commands with a dot.",
  description = "Explore stores in a session. Each STORE gets a name (redis, disk, or "
    .. "the file's) or the one before its =. Lines are Lua, commands begin with a "
    .. "dot; .help lists them. From a pipe the lines run one by one, and the exit code "
    .. "tells the worst.",
}


function Command.define(command)
  command:argument "store"
    :argname "[<name>=]<store>"
    :description "A URL (fs:///var/cache), a connector or a policy file (kv.lua)."
    :args "*"
  command:flag "--read-only"
    :description "Refuse every change."
  command:flag "--json"
    :description "Print results as JSON, one a line."
  Params.define(command)
end


function Command.run(args)
  Exit.params(args.set)
  return weir.run(require("weir.app.repl").run, args.store, args)
end


return Command
