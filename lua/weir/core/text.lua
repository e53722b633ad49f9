-- core/text.lua: the operators and methods that make a Value behave like a string, and
-- how messages describe one. Used by value.lua.

local ffi = require "ffi"
local C = require("weir.ffi").C

local Text = {}


--- Returns a function that describes something in a message: "a Value", "number",
--- "ctype<...>".
---@param is_value fun(x: any): boolean
function Text.describer(is_value)
  return function(x)
    if is_value(x) then return "a Value" end
    return type(x) == "cdata" and tostring(ffi.typeof(x)) or type(x)
  end
end


--- Advice that is added to an error message when a function of C got a Value instead of
--- a string; else nothing.
---@param message string
---@return string
function Text.advice(message)
  if message:find("expected, got cdata", 1, true)
    or message:find("invalid value (cdata)", 1, true) then
    return "; a Value is no string there: use tostring(v), or store:get_string(key)"
  end
  return ""
end


--- Adds the methods of strings that a class lacks. They work on a copy.
function Text.add_methods(Value)
  for name, method in pairs(string) do
    if not Value[name] and name ~= "char" and name ~= "dump" then
      Value[name] = function(v, ...) return method(v:string(), ...) end
    end
  end
end


-- Compares two strings or values as memcmp does, then by length.
local function compare(a, b)
  local m, n = #a, #b
  local left = type(a) == "string" and a or a.data
  local right = type(b) == "string" and b or b.data
  local order = C.weir_memcmp(left, right, math.min(m, n))
  return order ~= 0 and order or m - n
end


-- Adds the comparisons: both operands are strings or values.
local function add_comparisons(meta, is_value, describe)
  local function comparable(x)
    return type(x) == "string" or is_value(x)
  end

  local function must_compare(a, b)
    if comparable(a) and comparable(b) then return compare(a, b) end
    error(("attempt to compare %s with %s"):format(describe(a), describe(b)), 3)
  end

  function meta.__eq(a, b)
    if not (comparable(a) and comparable(b)) then return false end
    return #a == #b and compare(a, b) == 0
  end

  function meta.__lt(a, b) return must_compare(a, b) < 0 end
  function meta.__le(a, b) return must_compare(a, b) <= 0 end
end


-- Adds the arithmetic operators: an operand may be a string that is a number.
local function add_arithmetic(meta, is_value, describe)
  local function number_of(x)
    local number = tonumber(is_value(x) and x:string() or x)
    if number then return number end
    local what = is_value(x) and "a Value that is no number" or describe(x)
    error("attempt to perform arithmetic on " .. what, 3)
  end

  function meta.__add(a, b) return number_of(a) + number_of(b) end
  function meta.__sub(a, b) return number_of(a) - number_of(b) end
  function meta.__mul(a, b) return number_of(a) * number_of(b) end
  function meta.__div(a, b) return number_of(a) / number_of(b) end
  function meta.__mod(a, b) return number_of(a) % number_of(b) end
  function meta.__pow(a, b) return number_of(a) ^ number_of(b) end
  function meta.__unm(a) return -number_of(a) end
end


--- The metamethods of a class of values that have data, size and string().
---@param is_value fun(x: any): boolean
---@return table
function Text.operators(is_value)
  local describe = Text.describer(is_value)

  local function joinable(x)
    if is_value(x) then return x:string() end
    if type(x) == "string" or type(x) == "number" then return x end
    error("attempt to concatenate a Value with " .. describe(x), 3)
  end

  local meta = {
    __len = function(v) return tonumber(v.size) end,
    __tostring = function(v) return v:string() end,
    __concat = function(a, b) return joinable(a) .. joinable(b) end,
  }
  add_comparisons(meta, is_value, describe)
  add_arithmetic(meta, is_value, describe)
  return meta
end


return Text
