-- policy/shared/scan_page.lua: reads the keys of a page of a scan, leaves out some of
-- its entries, shortens its keys. A page is bytes: one entry after the other, each a
-- struct weir_scan_entry and its key, padded to 8 bytes. Used by prefix, negative and
-- scan_chain.lua.

local ffi = require "ffi"

local entry_ptr = ffi.typeof "struct weir_scan_entry *"
local HEAD = ffi.sizeof "struct weir_scan_entry"

local Page = {}


local function padded(length)
  return math.ceil(length / 8) * 8
end


-- Calls fn(i, offset, key length) for each entry.
local function each(page, fn)
  local size, at, i = #page, 0, 0
  while at < size do
    local length = ffi.cast(entry_ptr, page.data + at).key_len
    i = i + 1
    fn(i, at, length)
    at = at + HEAD + padded(length)
  end
end


--- Whether a value can be a page: its entries end where it ends.
---@param value weir.Value?
function Page.is_page(value)
  if not value then return false end
  local size, at = #value, 0
  while at + HEAD <= size do
    at = at + HEAD + padded(ffi.cast(entry_ptr, value.data + at).key_len)
  end
  return at == size
end


--- The keys of a page, in order.
function Page.keys(page)
  local keys = {}
  each(page, function(i, at, length)
    keys[i] = ffi.string(page.data + at + HEAD, length)
  end)
  return keys
end


--- The bytes of a page with only the entries for which `keep` is true.
function Page.pick(page, keep)
  local parts = {}
  each(page, function(i, at, length)
    if keep[i] then
      parts[#parts + 1] = ffi.string(page.data + at, HEAD + padded(length))
    end
  end)
  return table.concat(parts)
end


--- The bytes of a page without the first `cut` bytes of each key.
function Page.shorten(page, cut)
  local out, to = ffi.new("char[?]", math.max(#page, 1)), 0
  each(page, function(_, at, whole)
    local length = whole - cut
    ffi.copy(out + to, page.data + at, HEAD)
    ffi.cast(entry_ptr, out + to).key_len = length
    ffi.copy(out + to + HEAD, page.data + at + HEAD + cut, length)
    to = to + HEAD + padded(length)
  end)
  return ffi.string(out, to)
end


--- Removes the entries from a reply's page for which keep(keys) is not true.
function Page.filter(reply, keep)
  local page = reply:value(1)
  if not page or #page == 0 then return end
  local keys = Page.keys(page)
  local kept, all = keep(keys), true
  for i = 1, #keys do all = all and kept[i] end
  if not all then reply:set(1, "ok", { value = Page.pick(page, kept) }) end
  page:close()
end


return Page
