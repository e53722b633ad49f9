-- native/items.lua: items of C as parts of a request, and a reply's facts back into
-- them. Used where C asks Lua: by the connector lua and by weir serve.

local ffi = require "ffi"

local new_table = require "table.new"
local ffi_string = ffi.string

local Items = {}


--- The keys of n items, as strings.
function Items.keys(items, n)
  local keys = new_table(n, 0)
  for i = 1, n do
    local item = items[i - 1]
    keys[i] = ffi_string(item.key, item.key_len)
  end
  return keys
end


--- Sets req.ttls, in seconds by slot, if any item has a time to live.
function Items.load_ttls(items, req)
  for i = 1, req.n do
    local ms = items[i - 1].ttl_ms
    if ms > 0 then
      req.ttls = req.ttls or {}
      req.ttls[i] = tonumber(ms) / 1000
    end
  end
end


--- Writes sizes and times to live of a stat's reply.
function Items.unload_stat(items, reply)
  for i = 1, reply.n do
    local item = items[i - 1]
    item.size = reply:size(i) or 0
    item.ttl_ms = math.ceil((reply:ttl(i) or 0) * 1000)
  end
end


return Items
