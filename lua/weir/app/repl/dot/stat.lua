-- .stat: the size and the time to live of a key, and which stores hold it.
local Exit = require "weir.app.exit"
local Fetch = require "weir.app.explore.fetch"
local Quantity = require "weir.core.quantity"
local root_of = require "weir.app.explore.root"
local Where = require "weir.app.explore.where"


return {
  name = "stat",
  summary = "Show the size and the time to live of a value, and which stores hold it.",
  stores = 1,
  arguments = {
    { name = "key", kind = "key", help = "The key." },
  },
  run = function(view, args)
    local facts, err = args.store:stat(args.key)
    if err then error(err, 0) end
    if not facts then
      Fetch.miss(view, args.key)
      return Exit.MISS
    end
    view:object(facts)
    local exact = facts.size >= 1024 and (" (%d bytes)"):format(facts.size) or ""
    view:line("%s%s, %s", Quantity.bytes(facts.size), exact,
      facts.ttl and Quantity.time(facts.ttl) .. " to live" or "never expires")
    if next(root_of(args.store).children or {}) then Where.run(view, args) end
    return Exit.OK
  end,
}
