-- The 16,384 hash slots of Redis Cluster: CRC16 (XMODEM) of the key, or of its hash
-- tag. Rendezvous hashing over the hash slot picks its child. So the order of the
-- children does not matter, and a child that leaves gives away its own hash slots only.

local bit = require "bit"
local ffi = require "ffi"
local Rendezvous = require "weir.policy.shard.rendezvous"

local band, bxor, lshift, rshift = bit.band, bit.bxor, bit.lshift, bit.rshift
local byte = string.byte

local SLOTS = 16384

local Slots = { tags = true }
Slots.__index = Slots


local CRC = ffi.new("uint16_t[256]")
for i = 0, 255 do
  local crc = lshift(i, 8)
  for _ = 1, 8 do
    crc = lshift(crc, 1)
    if band(crc, 0x10000) ~= 0 then crc = bxor(crc, 0x11021) end
  end
  CRC[i] = crc
end


--- The slot of a key, 0 to 16383; its tag has been cut out already.
function Slots.slot(key)
  local crc = 0
  for i = 1, #key do
    local row = bxor(rshift(crc, 8), byte(key, i))
    crc = band(bxor(lshift(crc, 8), CRC[row]), 0xffff)
  end
  return band(crc, SLOTS - 1)
end


function Slots.new(names, weights)
  local ranking = Rendezvous.new(names, weights)
  local owner = ffi.new("uint16_t[?]", SLOTS)
  for slot = 0, SLOTS - 1 do owner[slot] = ranking:owner("slot " .. slot) end
  return setmetatable({ ranking = ranking, table = owner }, Slots)
end


function Slots:owner(key)
  return self.table[Slots.slot(key)]
end


function Slots:owners(key, k)
  return self.ranking:owners("slot " .. Slots.slot(key), k)
end


return Slots
