-- head: the first bytes of a value.
local Bytes = require "weir.app.show.bytes"
local Exit = require "weir.app.exit"
local Fetch = require "weir.app.explore.fetch"
local Literal = require "weir.app.show.literal"
local Quantity = require "weir.core.quantity"


return {
  name = "head",
  summary = "Show the first bytes of a value, and its size.",
  description = "Show the first bytes of a value as a Lua string, so that any bytes "
    .. "can be read and typed again, and its size.",
  stores = 1,
  arguments = {
    { name = "key", kind = "key", help = "The key." },
    { name = "bytes", kind = "size", default = 256, help = "How many; 256." },
  },
  run = function(view, args)
    local value = Fetch.value(view, args)
    if not value then return Exit.MISS end
    local head = value:sub(1, args.bytes)
    local object = Bytes.put({ size = #value }, "head", head)
    view:object(Bytes.put(object, "key", args.key))
    view:line("%s%s", Literal.quote(head), #head < #value and "..." or "")
    view:line("%s of %s", Quantity.bytes(#head), Quantity.bytes(#value))
    return Exit.OK
  end,
}
