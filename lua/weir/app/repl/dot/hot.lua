-- .hot: the keys that this session requested most.
local Bytes = require "weir.app.show.bytes"
local Literal = require "weir.app.show.literal"
local Quantity = require "weir.core.quantity"


return {
  name = "hot",
  summary = "Show the keys that this session requested most.",
  description = "Show the keys that this session requested most, from all its stores. "
    .. "Counts are of recent requests: old ones fade when there are many keys.",
  arguments = {
    { name = "n", kind = "count", default = 10, help = "How many to show; 10." },
  },
  run = function(view, args, session)
    local rows = {}
    for i, entry in ipairs(session.asked:most(args.n)) do
      view:object(Bytes.put({ store = entry.store, count = entry.count }, "key",
        entry.key))
      rows[i] = { Quantity.count(entry.count), entry.store, Literal.quote(entry.key) }
    end
    view:table(rows, "rll")
    if #rows == 0 then view:note "nothing was requested yet" end
  end,
}
