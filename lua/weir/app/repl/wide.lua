-- app/repl/wide.lua: UTF-8 to the wide characters that libedit edits, and back, and how
-- many columns they take. Bytes that are no UTF-8 become U+FFFD.

local bit = require "bit"
local ffi = require "ffi"
local Ffi = require "weir.ffi"

local C = Ffi.system(nil, [[
int weir_wcwidth(int32_t) __asm__("wcwidth");
]])

local Wide = {}

local REPLACEMENT = 0xFFFD
local LEAD = { 0x00, 0xC0, 0xE0, 0xF0 }
local LEAST = { 0x00, 0x80, 0x800, 0x10000 } -- below: an overlong form


local function length_of(first)
  if first < 0x80 then return 1 end
  if first < 0xC0 then return nil end
  if first < 0xE0 then return 2 end
  return first < 0xF0 and 3 or first < 0xF8 and 4 or nil
end


-- The character at i and how many bytes it took.
local function character(text, i)
  local first = text:byte(i)
  local n = length_of(first)
  if not n then return REPLACEMENT, 1 end
  local code = first - LEAD[n]
  for k = 1, n - 1 do
    local byte = text:byte(i + k)
    if not byte or byte < 0x80 or byte > 0xBF then return REPLACEMENT, k end
    code = code * 64 + byte - 0x80
  end
  local surrogate = code >= 0xD800 and code <= 0xDFFF
  if code < LEAST[n] or code > 0x10FFFF or surrogate then return REPLACEMENT, n end
  return code, n
end


--- The code points of a text, as a list.
---@param text string
---@return integer[]
function Wide.codes(text)
  local codes, n, i = {}, 0, 1
  while i <= #text do
    local code, length = character(text, i)
    n = n + 1
    codes[n] = code
    i = i + length
  end
  return codes
end


--- A text as wide characters that end with a zero.
---@param text string
---@return ffi.cdata* characters, integer count
function Wide.new(text)
  local codes = Wide.codes(text)
  local wide = ffi.new("int32_t[?]", #codes + 1)
  for i = 1, #codes do wide[i - 1] = codes[i] end
  return wide, #codes
end


local function utf8(code)
  if code < 0x80 then return string.char(code) end
  local tail = ""
  local n = code < 0x800 and 2 or code < 0x10000 and 3 or 4
  for _ = 2, n do
    tail = string.char(0x80 + bit.band(code, 63)) .. tail
    code = bit.rshift(code, 6)
  end
  return string.char(LEAD[n] + code) .. tail
end


--- Some wide characters as UTF-8.
---@param wide ffi.cdata*
---@param count integer
---@return string
function Wide.text(wide, count)
  local parts = {}
  for i = 0, count - 1 do parts[i + 1] = utf8(wide[i]) end
  return table.concat(parts)
end


-- How libedit draws characters that do not print: ^A, \U+300, \U+12345.
local function unprintable(code)
  if code < 0xA0 then return 2 end
  return code > 0xFFFF and 8 or 7
end


--- The columns of a character, as libedit draws it. Not for a tab, whose end depends on
--- where it begins.
---@param code integer
---@return integer
function Wide.columns(code)
  local width = C.weir_wcwidth(code)
  return width < 0 and unprintable(code) or width
end


--- The columns of a text.
---@param text string
---@return integer
function Wide.width(text)
  local width = 0
  for _, code in ipairs(Wide.codes(text)) do width = width + Wide.columns(code) end
  return width
end


return Wide
