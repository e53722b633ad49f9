-- CRC-32 (zlib's, IEEE 802.3) of the key, modulo the number of children, as mcrouter's
-- documentation says of its hash "crc32" and as many clients do. It knows numbers, not
-- names: the order of the children is part of the placement, and another number of
-- children moves nearly all keys.

local bit = require "bit"
local ffi = require "ffi"

local band, bnot, bxor, rshift = bit.band, bit.bnot, bit.bxor, bit.rshift

local Crc32 = {}
Crc32.__index = Crc32

local POLYNOMIAL = 0xedb88320 -- lowest bit first

local remainders = ffi.new "int32_t[256]"
for byte = 0, 255 do
  local rest = byte
  for _ = 1, 8 do
    local odd = band(rest, 1) == 1
    rest = rshift(rest, 1)
    if odd then rest = bxor(rest, POLYNOMIAL) end
  end
  remainders[byte] = rest
end


--- The CRC-32 of a text, from 0 to 2^32 - 1.
function Crc32.of(text)
  local rest = -1
  for i = 1, #text do
    rest = bxor(rshift(rest, 8), remainders[band(bxor(rest, text:byte(i)), 255)])
  end
  return bnot(rest) % 2 ^ 32
end


function Crc32.new(names, weights)
  if weights then error("hash = \"crc32\" takes no weights", 0) end
  return setmetatable({ n = #names }, Crc32)
end


function Crc32:owner(key)
  return Crc32.of(key) % self.n + 1
end


--- The owner, then those that come after it in the list.
function Crc32:owners(key, k)
  local first, order = Crc32.of(key) % self.n, {}
  for turn = 0, k - 1 do order[turn + 1] = (first + turn) % self.n + 1 end
  return order
end


return Crc32
