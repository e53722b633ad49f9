-- policy/shared/sketch.lua: how often keys were seen lately, in four bits a counter: a
-- count-min sketch whose counts fade, as TinyLFU keeps it (Einziger, Friedman, Manes:
-- TinyLFU, ACM Transactions on Storage 13(4), 2017). A count is too high when others
-- share all four counters of a key. Used by the predicate tinylfu.
--
-- The four counters of a key lie in one block of 64 bits, one in each quarter. TinyLFU
-- halves all counters at once. Here every tenth key that is seen halves one block, so
-- that no call takes long. A counter is halved about once in 10 to 20 times the number
-- of keys.

local bit = require "bit"
local ffi = require "ffi"
local C = require("weir.ffi").C

local band, lshift, rshift = bit.band, bit.lshift, bit.rshift

local Sketch = {}
Sketch.__index = Sketch

local MOST = 15  -- of four bits
local PACE = 10  -- keys seen for each block that is halved
local LOW = 0x7777777777777777ULL -- keeps a halved counter out of the one below it


--- A sketch that tells about `keys` keys apart. It takes 8 to 16 bytes a key: a block
--- each, rounded up to a power of two.
function Sketch.new(keys)
  local n = 16
  while n < keys do n = 2 * n end
  return setmetatable({ blocks = ffi.new("uint64_t[?]", n), n = n, hand = 0, turn = 0 },
    Sketch)
end


-- The shift of a key's counter in a quarter of its block. The hash has two bits for
-- each, above those that choose the block.
local function shift_of(hash, quarter)
  return 16 * quarter + 4 * tonumber(band(rshift(hash, 56 + 2 * quarter), 3ULL))
end


local function count_at(block, shift)
  return tonumber(band(rshift(block, shift), 15ULL))
end


local function least_of(block, hash)
  local least = MOST
  for quarter = 0, 3 do
    least = math.min(least, count_at(block, shift_of(hash, quarter)))
  end
  return least
end


-- Halves the counters of the next block, at every PACE-th call.
local function fade(self)
  self.turn = self.turn + 1
  if self.turn < PACE then return end
  self.turn = 0
  self.blocks[self.hand] = band(rshift(self.blocks[self.hand], 1), LOW)
  self.hand = (self.hand + 1) % self.n
end


local function find(self, key)
  local hash = C.weir_hash(key, #key, 0)
  return hash, tonumber(band(hash, self.n - 1ULL))
end


--- How often the key was seen lately, up to 15.
function Sketch:count(key)
  local hash, at = find(self, key)
  return least_of(self.blocks[at], hash)
end


--- Counts the key once more and returns its new count. Only its lowest counters grow,
--- which keeps the counts of others lower (conservative update).
function Sketch:see(key)
  local hash, at = find(self, key)
  local block = self.blocks[at]
  local least = least_of(block, hash)
  if least < MOST then
    for quarter = 0, 3 do
      local shift = shift_of(hash, quarter)
      if count_at(block, shift) == least then block = block + lshift(1ULL, shift) end
    end
    self.blocks[at], least = block, least + 1
  end
  fade(self)
  return least
end


return Sketch
