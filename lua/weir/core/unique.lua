-- core/unique.lua: finds the keys of a batch that come twice. Lua interns strings, so
-- equal keys have one address. A small table of marks by address finds duplicates in 3
-- ns a key, a Lua table in 15. Used by request.lua.

local bit = require "bit"
local ffi = require "ffi"

local new_table = require "table.new"
local band, bxor, rshift = bit.band, bit.bxor, bit.rshift
local cast = ffi.cast
local char_ptr, uint32 = ffi.typeof "const char *", ffi.typeof "uint32_t"

-- Larger batches use a Lua table.
local SMALL = 256
local MARKS = 4 * SMALL
local RESTART = 2 ^ 31

-- marks[h] - base is the slot where a key of this batch came first; what is not
-- above base was left by batches before. places[slot] is that key's place.
local marks = ffi.new("uint32_t[?]", MARKS)
local places = ffi.new("uint32_t[?]", SMALL + 1)
local base = 0


-- Looks at mark h: returns the place of the key, false if another key is there, nil if
-- it is free.
local function look(keys, key, from, h)
  local slot = marks[h] - from
  if slot <= 0 then return nil end
  return keys[slot] == key and places[slot]
end


-- The place of `key` among the unique keys; nil and the mark to set; or false: too many
-- keys have the same marks. The three looks are written out, since LuaJIT would not
-- compile a loop inside the loop over the keys.
local function look_up(keys, key, from)
  local address = tonumber(cast(uint32, cast(char_ptr, key)))
  local h = band(bxor(rshift(address, 4), rshift(address, 14)), MARKS - 1)
  local at = look(keys, key, from, h)
  if at ~= false then return at, h end
  h = band(h + 1, MARKS - 1)
  at = look(keys, key, from, h)
  if at ~= false then return at, h end
  h = band(h + 7, MARKS - 1)
  return look(keys, key, from, h), h
end


local function identity(n, upto)
  local positions = new_table(n, 0)
  for i = 1, upto do positions[i] = i end
  return positions
end


local function unique_large(keys, n, list)
  local count, positions, known = 0, nil, new_table(0, n)
  for i = 1, n do
    local key = keys[i]
    if type(key) ~= "string" then return nil, i end
    local at = known[key]
    if not at then
      count = count + 1
      list[count] = key
      known[key] = count
      at = count
    elseif not positions then
      positions = identity(n, i - 1)
    end
    if positions then positions[i] = at end
  end
  return list, count, positions
end


local function unique_small(keys, n, list)
  if base + n >= RESTART then
    ffi.fill(marks, ffi.sizeof(marks))
    base = 0
  end
  local count, positions, from = 0, nil, base
  base = from + n
  for i = 1, n do
    local key = keys[i]
    if type(key) ~= "string" then return nil, i end
    local at, h = look_up(keys, key, from)
    if at == false then return unique_large(keys, n, list) end
    if not at then
      count = count + 1
      list[count] = key
      marks[h], places[i] = from + i, count
      at = count
    elseif not positions then
      positions = identity(n, i - 1)
    end
    if positions then positions[i] = at end
  end
  return list, count, positions
end


--- Returns the keys without duplicates, how many there are, and for each slot its place
--- among them; no places if no key came twice. nil and an index: the key there is no
--- string. list: an empty list to put the keys into; nil: a new one.
return function(keys, n, list)
  list = list or new_table(n, 0)
  if n <= SMALL then return unique_small(keys, n, list) end
  return unique_large(keys, n, list)
end
