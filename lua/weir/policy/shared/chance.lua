-- policy/shared/chance.lua: chance that depends on a key and a seed alone, so that the
-- rest of the batch does not matter. Used by fault, delay, percent and shadow.

local bit = require "bit"
local C = require("weir.ffi").C

local Chance = {}


--- A number from 0 to below 1 for a key, a seed and a turn.
function Chance.of(key, seed, turn)
  local hash = C.weir_hash(key, #key, seed * 1000003 + (turn or 0))
  return tonumber(bit.rshift(hash, 11)) * 2 ^ -53
end


return Chance
