-- l2/bitmap.lua: a yes or no for each of the bitmap.n keys of a task.

local bit = require "bit"
local ffi = require "ffi"

local band, bor, lshift, rshift = bit.band, bit.bor, bit.lshift, bit.rshift

---@class weir.l2.Bitmap
local Bitmap = {}
Bitmap.__index = Bitmap


---@param n integer
---@return weir.l2.Bitmap
function Bitmap.new(n)
  return setmetatable({ n = n, words = ffi.new("uint32_t[?]", n / 32 + 1) }, Bitmap)
end


--- Sets the bit of key i, 1 the first.
function Bitmap:set(i)
  local word = rshift(i - 1, 5)
  self.words[word] = bor(self.words[word], lshift(1, band(i - 1, 31)))
end


---@param i integer
---@return boolean
function Bitmap:test(i)
  if i < 1 or i > self.n then return false end
  return band(self.words[rshift(i - 1, 5)], lshift(1, band(i - 1, 31))) ~= 0
end


--- How many are set.
---@return integer
function Bitmap:count()
  local count = 0
  for i = 1, self.n do
    if self:test(i) then count = count + 1 end
  end
  return count
end


--- How many are set before the first that is not: the prefix that is of use.
---@return integer
function Bitmap:lead()
  local lead = 0
  while self:test(lead + 1) do lead = lead + 1 end
  return lead
end


function Bitmap:__tostring()
  local digits = {}
  for i = 1, self.n do digits[i] = self:test(i) and "1" or "0" end
  return table.concat(digits)
end


return Bitmap
