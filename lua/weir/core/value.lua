-- core/value.lua: the bytes of a value, as verbs return them. A Value prints, compares,
-- measures and calculates like a string, has the methods of strings, and is copied to
-- Lua only when needed. Functions written in C accept no Value: use tostring(v) for
-- ngx.print, io.write, table.concat, cjson.decode, string.format's %d, tonumber (which
-- returns nil) and as a table's key (LuaJIT hashes cdata by identity), or read with
-- store:get_string.

local ffi = require "ffi"
local Hold = require "weir.core.hold"
local Text = require "weir.core.text"
local C = require("weir.ffi").C

local cast, ffi_string, istype = ffi.cast, ffi.string, ffi.istype
local char_ptr = ffi.typeof "char *"

-- C memory is charged to the collector in steps of so many bytes, since it does not see
-- that memory.
local STEP = 16 * 1024 * 1024

-- The references of the boxes by slot, in structs as weir_values_unref takes them: that
-- drops the references that are left when Lua closes.
local Held = ffi.typeof "struct { uint64_t n; struct weir_value *at[?]; }"

local enter, drop_slot = Hold.ledger(function()
  local held = ffi.gc(Held(Hold.SLOTS), C.weir_values_unref)
  held.n = Hold.SLOTS
  return held
end, function(held, index)
  C.weir_value_unref(held.at[index])
  held.at[index] = nil
end)

---@class weir.Value
---@field data ffi.cdata*  const char *, valid while the value is
---@field size integer     uint64_t; #value is a plain number
local Value = {}

-- Values up to here are not charged: they are not much larger than what Lua has for
-- each, and memory, too, answers with copies of those.
Value.SMALL = 256

local debt = 0


--- Tells the collector about C memory that was allocated for Lua, so that unused Values
--- do not keep gigabytes.
function Value.charge(bytes)
  debt = debt + bytes
  if debt >= STEP then
    debt = 0
    collectgarbage("step", STEP / 1024)
  end
end


--- Takes back what was charged for values that are about to be dropped, if that frees
--- them.
---@param pointer ffi.cdata* struct weir_value *, one of them
---@param bytes number of all of them
function Value.discharge(pointer, bytes)
  if debt > 0 and pointer.size > Value.SMALL and C.weir_value_sole(pointer) ~= 0 then
    debt = math.max(debt - bytes, 0)
  end
end


--- The bytes as a Lua string.
---@return string
function Value:string()
  return ffi_string(self.data, self.size)
end


--- Like string.sub. Copies only the part.
---@param first integer
---@param last integer?
---@return string
function Value:sub(first, last)
  local size = tonumber(self.size)
  last = last or -1
  if first < 0 then first = size + first + 1 end
  if last < 0 then last = size + last + 1 end
  first, last = math.max(first, 1), math.min(last, size)
  if first > last then return "" end
  return ffi_string(self.data + (first - 1), last - first + 1)
end


--- The version of some bytes, for cas: equal bytes have equal versions, in every store.
---@param bytes string|weir.Value
---@return ffi.cdata* version uint64_t
function Value.version_of(bytes)
  local data = type(bytes) == "string" and bytes or bytes.data
  return C.weir_version_of(data, #bytes)
end


--- The version of the value, for cas.
---@return ffi.cdata* version uint64_t
function Value:version()
  return C.weir_version_of(self.data, self.size)
end


--- Frees the memory now instead of at the next collection. The value is empty
--- afterwards.
function Value:close()
  if self.ref ~= nil then
    Value.discharge(self.ref, tonumber(self.size))
    drop_slot(self.slot)
  end
  self.ref, self.data, self.size = nil, nil, 0
end


-- What strings can do, as operators and methods; operators ask is_value of operands.
local Box
local function is_value(x)
  return istype(Box, x)
end

local meta = Text.operators(is_value)
meta.__index = Value

Box = ffi.metatype([[struct {
  struct weir_value *ref; const char *data; uint64_t size; uint32_t slot;
}]], meta)


--- Whether something is a Value.
---@param x any
---@return boolean
Value.is = is_value

Value.describe, Value.advice = Text.describer(is_value), Text.advice


--- Wraps a `struct weir_value *` and takes one reference of the caller's.
---@return weir.Value
function Value.own(pointer)
  local box = Box(pointer, pointer.data, pointer.size)
  local held, index, slot = enter(box)
  held.at[index], box.slot = pointer, slot
  return box
end


--- A new reference to a `struct weir_value` of a string's or Value's bytes; the
--- caller owns it.
function Value.pointer(bytes)
  if type(bytes) ~= "string" and bytes.ref ~= nil then
    return C.weir_value_ref(bytes.ref)
  end
  local size = #bytes
  local data = type(bytes) == "string" and bytes or bytes.data
  local pointer = C.weir_value_copy(data, size)
  if pointer == nil then error "weir: out of memory" end
  Value.charge(size)
  return pointer
end


--- A Value with a copy of the bytes.
---@param bytes string|weir.Value
---@return weir.Value
function Value.new(bytes)
  if type(bytes) ~= "string" and not is_value(bytes) then
    error("a value is a string or a Value, not " .. Value.describe(bytes), 2)
  end
  return Value.own(Value.pointer(bytes))
end


local data_slot = ffi.new "char *[1]"

--- Makes a Value of `size` bytes that fill(data) writes, all of them. fill may wait
--- meanwhile. Its errors are raised here.
---@param size integer
---@param fill fun(data: ffi.cdata*)
---@return weir.Value
function Value.build(size, fill)
  if type(size) ~= "number" or size < 0 or size % 1 ~= 0 then
    error("the size of a value is a whole number of bytes, not "
      .. tostring(size), 2)
  end
  if type(fill) ~= "function" then
    error("the bytes of a value come from a function, not " .. Value.describe(fill), 2)
  end
  local pointer = C.weir_value_new(size, data_slot)
  if pointer == nil then error "weir: out of memory" end
  local value = Value.own(pointer)
  Value.charge(size)
  -- Not from the slot: a finalizer may have built a value of its own meanwhile.
  fill(cast(char_ptr, pointer.data))
  return value
end


--- A Value with a copy of `size` bytes of C memory.
---@return weir.Value
function Value.copy(pointer, size)
  local copy = C.weir_value_copy(pointer, size)
  if copy == nil then error "weir: out of memory" end
  Value.charge(size)
  return Value.own(copy)
end


Text.add_methods(Value)


return Value
