-- .quit: the end of the session.
return {
  name = "quit",
  summary = "End the session; Ctrl-D does, too.",
  arguments = {},
  run = function(_, _, session) session.ended = true end,
}
