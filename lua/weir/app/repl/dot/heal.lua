-- .heal: ends .fault.
return {
  name = "heal",
  summary = "End the faults of .fault.",
  stores = 1,
  arguments = {},
  run = function(view, args)
    local guard = args.store
    if not guard:heal() then error(guard.title .. " has no faults of .fault", 0) end
    view:note("%s is as it was", guard.title)
  end,
}
