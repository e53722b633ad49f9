-- core/quantity.lua: numbers with units: bytes, times, counts. Sizes and times are read
-- by C, so that options, words, verbs and the command have one grammar.
local ffi = require "ffi"
local C = require("weir.ffi").C

local Quantity = {}

local parsed = ffi.new "uint64_t[1]"

local ERANGE = 34


-- Reads a text by a function of C. Returns the number, or nil and a sentence: `most` is
-- the first number that is too large.
local function read(parse, text, what, examples, most)
  local rc = text:find "%z" and -1 or parse(text, parsed)
  if rc == 0 then return tonumber(parsed[0]) end
  if rc == -ERANGE then
    return nil, ("'%s' is too large: a %s is less than %s"):format(text, what, most)
  end
  return nil, ("'%s' is no %s; write %s"):format(text, what, examples)
end


--- Reads a time: "1.5", "1.5s", "50ms", "2h". Plain numbers are seconds.
---@param text string
---@return number|nil seconds
---@return string|nil error
function Quantity.seconds(text)
  local ns, err = read(C.weir_duration, text, "time", "1.5, 50ms, 10s, 5m, 2h or 7d",
    "106752d")
  if not ns then return nil, err end
  return ns / 1e9
end


--- Reads a number of bytes: "512", "64KiB", "1.5GB".
---@param text string
---@return number|nil bytes
---@return string|nil error
function Quantity.size(text)
  return read(C.weir_size, text, "size", "512, 64KiB, 1MiB or 2GB", "8388608TiB")
end


--- ", which is too large: a size is less than ...", for the end of a sentence about a
--- text that was refused; "" if that is not why. What is behind a / counts for nothing.
---@param x any
---@param reader function Quantity.seconds or Quantity.size
---@return string
function Quantity.excess(x, reader)
  local _, why
  if type(x) == "string" then _, why = reader(x:match "^[^/]*") end
  local large = why and why:match " is too large: .*$"
  return large and ", which" .. large or ""
end


-- Three digits, or all of a whole number. Scaling leaves 100 at 99.99999999999999.
local function three(number)
  local whole = math.floor(number + 0.5)
  if math.abs(number - whole) <= whole * 1e-12 then return ("%d"):format(whole) end
  if number < 10 then return ("%.2f"):format(number) end
  if number < 100 then return ("%.1f"):format(number) end
  return ("%.0f"):format(number)
end


-- Largest first; the last takes what is left.
local function scaled(number, units)
  for _, unit in ipairs(units) do
    if number >= unit[1] then
      return three(number / unit[1]) .. " " .. unit[2]
    end
  end
  return "0 " .. units[#units][2]
end


local BYTES = {
  { 2 ^ 40, "TiB" }, { 2 ^ 30, "GiB" }, { 2 ^ 20, "MiB" }, { 1024, "KiB" },
}

--- Writes a size in binary units: 512 B, 64 KiB, 1.50 GiB.
function Quantity.bytes(n)
  if n < 1024 then
    return ("%d B"):format(n)
  end
  return scaled(n, BYTES)
end


local TIMES = {
  { 86400, "d" }, { 3600, "h" }, { 60, "min" },
  { 1, "s" }, { 1e-3, "ms" }, { 1e-6, "us" }, { 1e-9, "ns" },
}

--- Writes seconds in the unit that suits: 27 us, 1.50 s, 12 h.
function Quantity.time(seconds)
  return scaled(seconds, TIMES)
end


local COUNTS = { { 1e9, "G" }, { 1e6, "M" }, { 1e3, "k" } }

--- Writes a number of things or a rate: 3.10 M, 512.
function Quantity.count(n)
  if n >= 1e4 then
    return scaled(n, COUNTS)
  end
  return three(n)
end


--- Writes a number of things: 1 key, 3.10 M keys.
---@param n number
---@param noun string
function Quantity.things(n, noun)
  return ("%s %s%s"):format(Quantity.count(n), noun, n == 1 and "" or "s")
end


return Quantity
