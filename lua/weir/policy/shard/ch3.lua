-- The hash that mcrouter calls "ch3" (furc_hash), so that weir and mcrouter find the
-- same memcached servers. It knows numbers, not names: the order of the children is
-- part of the placement, and only the last child can be removed without moving the keys
-- of others.
--
-- The key seeds a stream of bits: MurmurHash64A of the key gives the first 64, and the
-- hash of each block of 64 gives the next one. A walk through a binary tree of the
-- numbers below the next power of two reads it: a 0 goes to the left half, and a 1 ends
-- the walk in the right half, where further bits say which number it is. A number
-- outside of the children is drawn again.

local bit = require "bit"
local ffi = require "ffi"

local band, bor, bxor = bit.band, bit.bor, bit.bxor
local lshift, rshift = bit.lshift, bit.rshift

local Ch3 = {}
Ch3.__index = Ch3

-- The constants of the stream: all who use the hash must agree on them.
local SEED, MULTIPLIER = 4193360111ULL, 0xc6a4a7935bd1e995ULL
local STRIDE = 23 -- bits from one bit of a number to the next
local DRAWS = 32  -- numbers drawn at most; the next one would be 0
local MOST = 2 ^ 23 -- children


local function mix(word)
  word = word * MULTIPLIER
  return bxor(word, rshift(word, 47)) * MULTIPLIER
end


local function finish(hash)
  hash = bxor(hash, rshift(hash, 47)) * MULTIPLIER
  return bxor(hash, rshift(hash, 47))
end


-- The `count` bytes of a text from `at` on as a number, the first one lowest.
local function word_at(text, at, count)
  local word = 0ULL
  for i = count - 1, 0, -1 do word = bor(lshift(word, 8), text:byte(at + i) + 0ULL) end
  return word
end


-- MurmurHash64A (Austin Appleby).
local function murmur(text)
  local size = #text
  local hash = bxor(SEED, size * MULTIPLIER)
  local whole = size - size % 8
  for at = 1, whole, 8 do
    hash = bxor(hash, mix(word_at(text, at, 8))) * MULTIPLIER
  end
  if whole < size then
    hash = bxor(hash, word_at(text, whole + 1, size - whole)) * MULTIPLIER
  end
  return finish(hash)
end


-- The same of the eight bytes of a number.
local function murmur_word(word)
  return finish(bxor(bxor(SEED, 8 * MULTIPLIER), mix(word)) * MULTIPLIER)
end


-- The blocks of the stream of the key at hand: enough for DRAWS numbers of 23 bits.
local blocks = ffi.new("uint64_t[?]", DRAWS * STRIDE * STRIDE / 64 + 1)


-- Returns bit number `at` of the stream, 0 or 1, and the last block that is known.
local function bit_at(known, at)
  local block = rshift(at, 6)
  while known < block do
    blocks[known + 1] = murmur_word(blocks[known])
    known = known + 1
  end
  return tonumber(band(rshift(blocks[block], band(at, 63)), 1ULL)), known
end


--- The number, from 0, of a key among n.
function Ch3.bucket(key, n)
  if n <= 1 then return 0 end
  local depth, known = 0, 0
  blocks[0] = murmur(key)
  while n > 2 ^ depth do depth = depth + 1 end
  local at = depth
  for _ = 1, DRAWS do
    local value
    value, known = bit_at(known, at)
    while value == 0 do
      depth = depth - 1
      if depth == 0 then return 0 end
      at = depth
      value, known = bit_at(known, at)
    end
    at = at + STRIDE
    local number = 1
    for _ = 2, depth do
      value, known = bit_at(known, at)
      number, at = 2 * number + value, at + STRIDE
    end
    if number < n then return number end
  end
  return 0
end


function Ch3.new(names, weights)
  if weights then error("hash = \"ch3\" takes no weights", 0) end
  if #names > MOST then error(("hash = \"ch3\" takes %d stores"):format(MOST), 0) end
  return setmetatable({ n = #names }, Ch3)
end


function Ch3:owner(key)
  return Ch3.bucket(key, self.n) + 1
end


--- The owner, then those that come after it in the list.
function Ch3:owners(key, k)
  local first, order = Ch3.bucket(key, self.n), {}
  for turn = 0, k - 1 do order[turn + 1] = (first + turn) % self.n + 1 end
  return order
end


return Ch3
