-- core/bytes.lua: checks the memory that a caller lends to C or has copied: strings,
-- Values, byte arrays, and slices whose size the caller states. Anything else is an
-- error at the caller of the verb, `level` frames up. Used by request.lua.

local ffi = require "ffi"
local Value = require "weir.core.value"

local Bytes = {}

-- "array", "const array" or false, by the number of a ctype.
local kinds = {}
local pointers = {}


local function describe_type(cdata)
  return tostring(ffi.typeof(cdata)):match "^ctype<(.*)>$"
end


-- An array of bytes in one dimension, or a reference to one in a struct.
local function array_kind(cdata)
  local id = tonumber(ffi.typeof(cdata))
  local kind = kinds[id]
  if kind == nil then
    local name = describe_type(cdata):gsub(" %(&%)", " ")
    local const = name:match "^const " ~= nil
    name = name:gsub("^const ", ""):gsub("^u?n?signed ", "")
    kind = name:match "^char %[[%d?]+%]$" and (const and "const array" or "array")
    kinds[id] = kind or false
  end
  return kind
end


-- A pointer to bytes or to void.
local function pointer_kind(cdata)
  local id = tonumber(ffi.typeof(cdata))
  local kind = pointers[id]
  if kind == nil then
    local name = describe_type(cdata)
    local const = name:match "^const " ~= nil
    name = name:gsub("^const ", ""):gsub("^u?n?signed ", "")
    kind = (name == "char *" or name == "void *") and (const and "const" or "pointer")
    pointers[id] = kind or false
  end
  return kind
end


local function slice(x, writable, level)
  local pointer, size = x[1], x[2]
  if type(pointer) ~= "cdata" or not pointer_kind(pointer) then
    error("a slice is { pointer to bytes, size }, not a pointer in "
      .. Value.describe(pointer), level + 1)
  end
  if writable and pointer_kind(pointer) == "const" then
    error("a slice to read into points at const bytes", level + 1)
  end
  if type(size) ~= "number" or size < 0 or size % 1 ~= 0 then
    error("the size of a slice is a whole number of bytes, not "
      .. tostring(size), level + 1)
  end
  if pointer == nil and (writable or size > 0) then
    error(writable and "a slice to read into points at no memory"
      or ("a slice of %.0f bytes points at no memory"):format(size), level + 1)
  end
  return pointer, size
end


--- Advice that is added to a message about something that is no string.
---@param x any
---@return string
function Bytes.hint(x)
  if type(x) == "number" then return ("; use tostring(%s)"):format(tostring(x)) end
  if Value.is(x) then return "; use tostring(v)" end
  return ""
end


-- Advice that is added to a message about something that is no value.
local function value_hint(x)
  if x == nil then return "; delete removes a key" end
  if type(x) == "table" then return "; encode it first, with cjson or string.buffer" end
  return Bytes.hint(x)
end


--- The address of a caller's buffer and its size.
---@param x any an array of char, int8_t or uint8_t, or { pointer, size }
---@return ffi.cdata* pointer, number size
function Bytes.buffer(x, level)
  if type(x) == "table" then
    local pointer, size = slice(x, true, level + 1)
    return pointer, size
  end
  if type(x) ~= "cdata" or array_kind(x) ~= "array" then
    error("a buffer is an array of bytes (char[n], uint8_t[n]) or { pointer, size }, "
      .. "not " .. Value.describe(x), level + 1)
  end
  return x, ffi.sizeof(x)
end


--- The value that a set stores: a string or Value as it is, C memory as a Value with a
--- copy, so that nothing refers to the caller's memory later.
---@return string|weir.Value
function Bytes.value(x, level)
  if type(x) == "string" then return x end
  if Value.is(x) then
    if x.ref == nil then error("the value was closed: it has no bytes", level + 1) end
    return x
  end
  if type(x) == "table" and type(x[1]) == "cdata" then
    return Value.copy(slice(x, false, level + 1))
  end
  if type(x) ~= "cdata" or not array_kind(x) then
    error("a value is a string, a Value, an array of bytes or { pointer, size }, "
      .. "not " .. Value.describe(x) .. value_hint(x), level + 1)
  end
  return Value.copy(x, ffi.sizeof(x))
end


return Bytes
