-- .more: goes on where a bounded walk stopped.
return {
  name = "more",
  summary = "Go on where .ls, .big or .du stopped.",
  arguments = {},
  run = function(_, _, session)
    local on = session.more
    if not on then error("nothing stopped halfway", 0) end
    session.more = nil
    return on()
  end,
}
