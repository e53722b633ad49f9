-- policy/shared/expiring.lua: a bounded table of keys with an end time each. When there
-- is no room the oldest is dropped and counted. Used by negative.

local Expiring = {}
Expiring.__index = Expiring


function Expiring.new(most)
  local self = setmetatable({ most = most, dropped = 0 }, Expiring)
  self:clear()
  return self
end


--- Forgets all keys. The count of dropped ones stays.
function Expiring:clear()
  self.count, self.times, self.turns = 0, {}, {}
  self.ring, self.first, self.last = {}, 1, 0
end


--- The time of a key, or nil.
function Expiring:get(key)
  return self.times[key]
end


function Expiring:drop(key)
  if self.times[key] then
    self.times[key], self.turns[key] = nil, nil
    self.count = self.count - 1
  end
end


-- The ring also holds places of keys that were dropped or added again since.
local function pop(self)
  local key = self.ring[self.first]
  self.ring[self.first] = nil
  if self.turns[key] == self.first then
    self:drop(key)
    self.dropped = self.dropped + 1
  end
  self.first = self.first + 1
end


function Expiring:put(key, time)
  if not self.times[key] then self.count = self.count + 1 end
  self.last = self.last + 1
  self.ring[self.last] = key
  self.times[key], self.turns[key] = time, self.last
  local most = self.most
  while self.count > most or self.last - self.first >= 2 * most do pop(self) end
end


return Expiring
