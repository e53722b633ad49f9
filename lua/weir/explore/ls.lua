-- ls: keys that match a pattern, with sizes and times to live, some at a time.
local Bytes = require "weir.show.bytes"
local Exit = require "weir.cli.exit"
local Literal = require "weir.show.literal"
local Quantity = require "weir.show.quantity"


-- Keys that are looked at in one go, whether or not they match.
local LOOKED = 100000


-- The part of a pattern before the first wildcard, and the Lua pattern of all of it.
local function compile(pattern)
  local prefix = pattern:match "^[^*?]*"
  if #prefix == #pattern then return prefix, nil end
  local lua = pattern:gsub("[^%w*?]", "%%%0"):gsub("%*", ".*"):gsub("%?", ".")
  return prefix, "^" .. lua .. "$"
end


local function show(view, key, info)
  view:object(Bytes.put({ size = info.size, ttl = info.ttl }, "key", key))
  view:line("%10s  %9s  %s", info.size and Quantity.bytes(info.size) or "-",
    info.ttl and Quantity.time(info.ttl) or "-", Literal.quote(key))
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
    local prefix, matching = compile(args.pattern)
    local scan = args.store:scan { prefix = prefix }
    local function on()
      local shown, looked = 0, 0
      for key, info in scan do
        looked = looked + 1
        if not matching or key:find(matching) then
          show(view, key, info)
          shown = shown + 1
        end
        if shown == args.limit or looked == LOOKED then
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
