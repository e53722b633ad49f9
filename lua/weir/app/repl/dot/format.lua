-- .format: how results are written.
local Output = require "weir.app.repl.output"


return {
  name = "format",
  summary = "Choose how results are written.",
  description = "Choose how results are written: for people (table), a JSON object a "
    .. "line, or the bytes of values as they are (raw).",
  arguments = {
    { name = "form", choices = Output.FORMATS, help = "table, json or raw." },
  },
  run = function(_, args, session) session.output.format = args.form end,
}
