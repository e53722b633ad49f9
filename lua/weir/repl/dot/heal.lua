-- .heal: ends .fault.
return {
  name = "heal",
  summary = "End the faults of .fault.",
  stores = 1,
  arguments = {},
  run = function(view, args)
    local guard = args.store
    local healthy = rawget(guard, "healthy")
    if not healthy then error(guard.title .. " has no faults of .fault", 0) end
    guard.inner, guard.healthy = healthy, nil
    view:note("%s is as it was", guard.title)
  end,
}
