-- native/items.lua: items of C as parts of a request, and a reply's facts back into
-- them. Used where C asks Lua: by the connector lua and by weir serve.

local ffi = require "ffi"

local new_table = require "table.new"
local ffi_string = ffi.string

local UINT64 = ffi.typeof "uint64_t"

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


-- What the items of an op carry beside keys and values, by op.
local TIMED = { set = true, touch = true, add = true, replace = true, cas = true,
  incr = true, append = true, gat = true }

--- Sets the times to live and the numbers of a request.
function Items.load(items, req)
  if TIMED[req.op] then Items.load_ttls(items, req) end
  local cas = req.op == "cas"
  if not cas and req.op ~= "incr" then return end
  req.numbers = {}
  for i = 1, req.n do
    local number = items[i - 1].number
    req.numbers[i] = cas and UINT64(number) or number
  end
end


--- Writes the numbers of a reply to incr or append.
function Items.unload_numbers(items, reply)
  for i = 1, reply.n do
    local number = reply:number(i)
    if number then items[i - 1].number = number end
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
