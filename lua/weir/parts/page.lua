-- parts/page.lua: a page of a scan with every key shortened by a prefix. Used by
-- the word prefix.

local ffi = require "ffi"

local entry_ptr = ffi.typeof "struct weir_scan_entry *"
local HEAD = ffi.sizeof "struct weir_scan_entry"


local function padded(length)
  return math.ceil(length / 8) * 8
end


--- The bytes of the page without the first `cut` bytes of each key.
return function(page, cut)
  local size = #page
  local out, from, to = ffi.new("char[?]", math.max(size, 1)), 0, 0
  while from < size do
    local head = ffi.cast(entry_ptr, page.data + from)
    local length = head.key_len - cut
    ffi.copy(out + to, page.data + from, HEAD)
    ffi.cast(entry_ptr, out + to).key_len = length
    ffi.copy(out + to + HEAD, page.data + from + HEAD + cut, length)
    from = from + HEAD + padded(head.key_len)
    to = to + HEAD + padded(length)
  end
  return ffi.string(out, to)
end
