-- hex: the bytes of a value, head and tail, and the type that they look like.
local Bytes = require "weir.app.show.bytes"
local Exit = require "weir.app.exit"
local Fetch = require "weir.app.explore.fetch"
local Quantity = require "weir.core.quantity"
local Sniff = require "weir.app.explore.sniff"

local ROW = 16


local function row(value, at)
  local bytes = value:sub(at + 1, at + ROW)
  local digits = bytes:gsub(".", function(c) return ("%02x "):format(c:byte()) end)
  local text = bytes:gsub("[^\32-\126]", ".")
  return ("%08x  %-24s %-24s |%s|"):format(at, digits:sub(1, 24), digits:sub(25), text)
end


local function rows(view, value, first, last)
  for at = first, last - 1, ROW do view:line("%s", row(value, at)) end
end


return {
  name = "hex",
  summary = "Dump the head and the tail of a value in hexadecimal.",
  description = "Dump the head and the tail of a value in hexadecimal, with its size, "
    .. "the type that its bytes look like and their entropy in bits a byte.",
  stores = 1,
  arguments = {
    { name = "key", kind = "key", help = "The key." },
    { name = "bytes", kind = "size", default = 128,
      help = "How many of the head, and of the tail; 128." },
  },
  run = function(view, args)
    local value = Fetch.value(view, args)
    if not value then return Exit.MISS end
    local size, edge = #value, math.ceil(args.bytes / ROW) * ROW
    local kind, entropy = Sniff.kind(value), Sniff.entropy(value)
    view:object(Bytes.put({ size = size, type = kind, entropy = entropy }, "key",
      args.key))
    view:line("%s, %s, %.2f bits a byte", Quantity.bytes(size), kind, entropy)
    local tail = math.max(edge, math.floor((size - edge) / ROW) * ROW)
    rows(view, value, 0, math.min(edge, size))
    if tail > edge then view:line("      ...  %s", Quantity.bytes(tail - edge)) end
    rows(view, value, tail, size)
    return Exit.OK
  end,
}
