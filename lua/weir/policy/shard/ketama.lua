-- Ketama, the continuum of libketama and the memcached clients: each child owns
-- 160 points (40 MD5 sums of "name-i", four points each), a key goes to the next
-- point at or after the first word of its own MD5. A weight multiplies a child's
-- points whatever the others weigh, so a child that leaves moves its keys only.

local bit = require "bit"
local md5 = require "weir.policy.shard.md5"

local band, tobit = bit.band, bit.tobit

local Ketama = {}
Ketama.__index = Ketama


local function unsigned(word)
  return tobit(word) % 2 ^ 32
end


function Ketama.new(names, weights)
  local points, owner = {}, {}
  for i, name in ipairs(names) do
    local sums = math.floor(40 * (weights and weights[i] or 1) + 0.5)
    for k = 0, math.max(sums, 1) - 1 do
      for _, word in ipairs(md5(name .. "-" .. k)) do
        local point = unsigned(word)
        local holder = owner[point]
        if not holder then points[#points + 1] = point end
        -- Two children on one point: the name decides, never the order.
        if not holder or name < names[holder] then owner[point] = i end
      end
    end
  end
  table.sort(points)
  return setmetatable({ points = points, owner_of = owner, n = #names }, Ketama)
end


-- The index of the first point at or after the key's, wrapping around.
local function find(self, key)
  local point, points = unsigned(md5(key)[1]), self.points
  local low, high = 1, #points + 1
  while low < high do
    local mid = band(low + high, -2) / 2
    if points[mid] < point then low = mid + 1 else high = mid end
  end
  return low <= #points and low or 1
end


function Ketama:owner(key)
  return self.owner_of[self.points[find(self, key)]]
end


--- The owner and the next different children along the continuum.
function Ketama:owners(key, k)
  local order, seen, at = {}, {}, find(self, key)
  while #order < k do
    local owner = self.owner_of[self.points[at]]
    if not seen[owner] then
      seen[owner] = true
      order[#order + 1] = owner
    end
    at = at % #self.points + 1
  end
  return order
end


return Ketama
