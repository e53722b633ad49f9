-- .time: whether each result shows how long it took.
return {
  name = "time",
  summary = "Show how long each result took, and which level answered.",
  arguments = {
    { name = "switch", choices = { "on", "off" }, help = "on or off." },
  },
  run = function(_, args, session) session.output.time = args.switch == "on" end,
}
