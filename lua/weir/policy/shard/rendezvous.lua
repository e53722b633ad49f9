-- Rendezvous hashing, highest random weight (Thaler and Ravishankar, 1998): a
-- key belongs to the child for which hash(key, seed = hash(child)) is greatest.
-- The order of the children plays no part, and a child that leaves gives away
-- its own keys only. Weights by the logarithmic method (Schindelhauer and
-- Schomaker, 2005), which keeps both promises.

local bit = require "bit"
local ffi = require "ffi"
local C = require("weir.ffi").C

local rshift, log = bit.rshift, math.log

local Rendezvous = {}
Rendezvous.__index = Rendezvous


--- names: what tells the children apart. weights: nil, or one a child.
function Rendezvous.new(names, weights)
  local seeds = ffi.new("uint64_t[?]", #names)
  for i, name in ipairs(names) do
    seeds[i - 1] = C.weir_hash(name, #name, 0)
  end
  return setmetatable({ n = #names, seeds = seeds, weights = weights }, Rendezvous)
end


-- The key's score at child i: uniform over 53 bits, or the weighted logarithm,
-- which orders the same way when all weights are equal.
local function score(self, key, i)
  local hash = C.weir_hash(key, #key, self.seeds[i - 1])
  local uniform = tonumber(rshift(hash, 11))
  if not self.weights then return uniform end
  return -self.weights[i] / log((uniform + 0.5) * 2 ^ -53)
end


function Rendezvous:owner(key)
  if not self.weights then
    return C.weir_rendezvous(key, #key, self.seeds, self.n) + 1
  end
  local best, at = -1, 0
  for i = 1, self.n do
    local s = score(self, key, i)
    if s > best then best, at = s, i end
  end
  return at
end


--- The k children that hold copies of the key, its owner first.
function Rendezvous:owners(key, k)
  local order, scores = {}, {}
  for i = 1, self.n do
    order[i], scores[i] = i, score(self, key, i)
  end
  table.sort(order, function(a, b) return scores[a] > scores[b] end)
  for i = k + 1, self.n do order[i] = nil end
  return order
end


return Rendezvous
