-- ls: keys that match a pattern, with sizes and times to live, some at a time.
local Bytes = require "weir.app.show.bytes"
local Exit = require "weir.app.exit"
local Listing = require "weir.app.explore.listing"
local Literal = require "weir.app.show.literal"
local Quantity = require "weir.core.quantity"


-- Keys that are looked at in one go, whether or not they match.
local LOOKED = 100000


local function show(view, entry)
  view:object(Bytes.put({ size = entry.size, ttl = entry.ttl }, "key", entry.key))
  view:line("%10s  %9s  %s", entry.size and Quantity.bytes(entry.size) or "-",
    entry.ttl and Quantity.time(entry.ttl) or "-", Literal.quote(entry.key))
end


return {
  name = "ls",
  summary = "List keys with sizes and times to live.",
  description = "List keys with sizes and times to live, in no order, some at a time. "
    .. "In a pattern * stands for any bytes and ? for one; without them it is the "
    .. "beginning of the keys.",
  stores = 1,
  arguments = {
    { name = "pattern", kind = "prefix", default = "", is = "key",
      help = "user:*, or the beginning of keys." },
  },
  options = {
    { name = "limit", kind = "count", default = 50, help = "Stop after so many; 50." },
  },
  run = function(view, args)
    local listing = Listing.new(args.store, args.pattern, {
      timeout = args.timeout, facts = true,
    })
    local function on()
      local shown, before = 0, listing.looked
      while not listing.ended do
        local page = listing:page(args.limit - shown)
        for _, entry in ipairs(page) do show(view, entry) end
        shown = shown + #page
        local looked = listing.looked - before
        if not listing.ended and (shown == args.limit or looked >= LOOKED) then
          view:stopped(looked, on)
          return Exit.OK
        end
      end
      if shown == 0 then view:note "no keys" end
      return Exit.OK
    end
    return on()
  end,
}
