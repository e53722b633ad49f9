-- MD5 (RFC 1321) of a string as four 32-bit words, for ketama only, whose points
-- are defined by it. Not for security.

local bit = require "bit"
local ffi = require "ffi"

local band, bor, bxor, bnot = bit.band, bit.bor, bit.bxor, bit.bnot
local rol, rshift, tobit = bit.rol, bit.rshift, bit.tobit

local SINES = ffi.new("int32_t[64]")
for i = 0, 63 do
  SINES[i] = tobit(math.floor(math.abs(math.sin(i + 1)) * 2 ^ 32))
end

local SHIFTS = { [0] = { [0] = 7, 12, 17, 22 }, { [0] = 5, 9, 14, 20 },
  { [0] = 4, 11, 16, 23 }, { [0] = 6, 10, 15, 21 } }

local MIX = {
  [0] = function(b, c, d, i) return bxor(d, band(b, bxor(c, d))), i end,
  function(b, c, d, i) return bxor(c, band(d, bxor(b, c))), band(5 * i + 1, 15) end,
  function(b, c, d, i) return bxor(b, c, d), band(3 * i + 5, 15) end,
  function(b, c, d, i) return bxor(c, bor(b, bnot(d))), band(7 * i, 15) end,
}


local function block(state, words)
  local a, b, c, d = state[1], state[2], state[3], state[4]
  for i = 0, 63 do
    local round = rshift(i, 4)
    local f, word = MIX[round](b, c, d, i)
    local sum = tobit(a + f + SINES[i] + words[word])
    a, d, c, b = d, c, b, tobit(b + rol(sum, SHIFTS[round][band(i, 3)]))
  end
  state[1], state[2] = tobit(state[1] + a), tobit(state[2] + b)
  state[3], state[4] = tobit(state[3] + c), tobit(state[4] + d)
end


local BUFFER = ffi.new("union { char bytes[64]; int32_t words[16]; }")

local function md5(s)
  local state = { 0x67452301, tobit(0xefcdab89), tobit(0x98badcfe), 0x10325476 }
  local padded = s .. "\128" .. ("\0"):rep((55 - #s) % 64) -- then 8 bytes of length
  for at = 1, #s + 9, 64 do
    local part = padded:sub(at, at + 63)
    ffi.fill(BUFFER, 64)
    ffi.copy(BUFFER.bytes, part, #part)
    if at + 64 > #padded then
      BUFFER.words[14] = tobit(#s * 8)
      BUFFER.words[15] = math.floor(#s / 2 ^ 29)
    end
    block(state, BUFFER.words)
  end
  return state
end


return md5
