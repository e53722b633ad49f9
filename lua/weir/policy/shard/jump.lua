-- Jump consistent hash (Lamping and Veach, 2014). It knows numbers, not names:
-- the order of the children is part of the placement, and only the last child
-- can be removed without moving the keys of others.

local bit = require "bit"
local C = require("weir.ffi").C

local rshift, floor = bit.rshift, math.floor

local Jump = {}
Jump.__index = Jump


--- The bucket, from 0, of a 64-bit key among n.
function Jump.bucket(key, n)
  local bucket, next_bucket = 0, 0
  while next_bucket < n do
    bucket = next_bucket
    key = key * 2862933555777941757ULL + 1ULL
    local draw = tonumber(rshift(key, 33)) + 1
    next_bucket = floor((bucket + 1) * (2147483648 / draw))
  end
  return bucket
end


function Jump.new(names, weights)
  if weights then error("hash = \"jump\" takes no weights", 0) end
  return setmetatable({ n = #names }, Jump)
end


function Jump:owner(key)
  return Jump.bucket(C.weir_hash(key, #key, 0), self.n) + 1
end


--- The owner, then the owners under further seeds, each child once.
function Jump:owners(key, k)
  local order, seen, seed = {}, {}, 0
  while #order < k do
    local owner = Jump.bucket(C.weir_hash(key, #key, seed), self.n) + 1
    if not seen[owner] then
      seen[owner] = true
      order[#order + 1] = owner
    end
    seed = seed + 1
  end
  return order
end


return Jump
