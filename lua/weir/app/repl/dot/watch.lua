-- .watch: an expression again and again, until Ctrl-C.
local Watch = require "weir.app.repl.watch"


return {
  name = "watch",
  summary = "Evaluate an expression again and again, until Ctrl-C.",
  description = "Evaluate an expression again and again, each second or as often as "
    .. "the number after it says, and show what it is when it changes, until Ctrl-C: "
    .. ".watch redis:stat \"a\" 0.5",
  rest = true,
  arguments = {
    { name = "expression", kind = "text", help = "Lua." },
    { name = "seconds", kind = "time", default = 1, help = "The pause; 1." },
  },
  run = function(_, args, session)
    local chunk, seconds = Watch.parse(args.text, session.env)
    Watch.run(session, chunk, seconds)
  end,
}
