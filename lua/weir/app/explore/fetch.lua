-- app/explore/fetch.lua: one value for a command that shows it; used by head and hex.
local Bytes = require "weir.app.show.bytes"
local Literal = require "weir.app.show.literal"
local Store = require "weir.core.store"

local Fetch = {}


--- Says that a key is not there.
function Fetch.miss(view, key)
  view:object(Bytes.put({ status = "miss" }, "key", key))
  view:note("no such key: %s", Literal.quote(key))
end


--- The value of args.key in args.store. A miss is printed, and returns nil. Errors are
--- raised.
---@return weir.Value?
function Fetch.value(view, args)
  -- As bytes, also where get gives back tables (serialize).
  local value, err = Store.get(args.store, args.key, { timeout = args.timeout })
  if err then error(err, 0) end
  if not value then Fetch.miss(view, args.key) end
  return value
end


return Fetch
