-- .fault: a share of the replies of a store becomes an error.
local status = require "weir.core.status"

local ERRORS = {}
for _, name in ipairs(status.names) do
  if name ~= "ok" then ERRORS[#ERRORS + 1] = name end
end


return {
  name = "fault",
  summary = "Make a share of a store's answers fail.",
  description = "Make a share of a store's answers a status, without asking it; .heal "
    .. "ends that. The keys decide which ones, the same each time.",
  stores = 1,
  arguments = {
    { name = "status", choices = ERRORS, help = "The status that they get." },
    { name = "rate", kind = "share", default = 0.1, help = "The share: 0.1 or 10%." },
  },
  run = function(view, args)
    local guard = args.store
    guard:break_some(args.rate, args.status)
    view:note("%s: %s for %g%% of the keys, until .heal", guard.title, args.status,
      args.rate * 100)
  end,
}
