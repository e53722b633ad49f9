-- trace: a get, and its result at each store on its way.
local Exit = require "weir.app.exit"
local Quantity = require "weir.core.quantity"


local function row(entry)
  local remark = entry.message or entry.decision or ""
  return { entry.path or entry.node or "?", entry.status or "-",
    Quantity.time(entry.seconds or 0), Quantity.bytes(entry.bytes or 0), remark }
end


return {
  name = "trace",
  summary = "Get a key and show what happened at each store.",
  description = "Get a key and show what each policy and store did, in the order in "
    .. "which they got the request: status, time, bytes, and why.",
  stores = 1,
  arguments = {
    { name = "key", kind = "key", help = "The key." },
  },
  run = function(view, args)
    local steps, reply = args.store:trace(args.key, { timeout = args.timeout })
    local rows = {}
    for i, entry in ipairs(steps) do
      view:object(entry)
      rows[i] = row(entry)
    end
    view:table(rows, "llrrl")
    local err = reply:error(1)
    if err then error(err, 0) end
    return reply[1] == "ok" and Exit.OK or Exit.MISS
  end,
}
