-- policy/shared/sightings.lua: how often keys were seen, and since when, in bounded
-- memory, by the 53-bit hash of the key. There are two tables of counts. When the young
-- one is full it becomes the old one, and the old one is forgotten, so a key that is
-- not seen for long enough starts anew. Used by predicates with hits or age.

local bit = require "bit"
local host = require "weir.host"
local C = require("weir.ffi").C

local rshift = bit.rshift

local Sightings = {}
Sightings.__index = Sightings

local MOST = 65536


--- most: keys in a generation. forgotten counts the keys that start anew.
function Sightings.new(most)
  return setmetatable({ most = most or MOST, count = 0, aged = 0, forgotten = 0,
    young = {}, old = {}, first = {}, first_old = {} }, Sightings)
end


local function hash_of(key)
  return tonumber(rshift(C.weir_hash(key, #key, 0), 11))
end


--- The next time the key is seen is its first. It keeps its place until it is old.
function Sightings:forget(key)
  local hash = hash_of(key)
  if self.young[hash] then self.young[hash], self.first[hash] = 0, host.now() end
  if self.old[hash] then
    self.old[hash], self.first_old[hash] = nil, nil
    self.aged = self.aged - 1
  end
end


--- Counts a key. Returns how often it was seen, this time included, and the seconds
--- since the first time.
function Sightings:see(key)
  local hash = hash_of(key)
  local seen = self.young[hash]
  if not seen then
    seen = self.old[hash] or 0
    if seen > 0 then self.aged = self.aged - 1 end
    self.first[hash] = self.first_old[hash] or host.now()
    self.count = self.count + 1
  end
  self.young[hash] = seen + 1
  local age = host.now() - self.first[hash]
  if self.count >= self.most then
    self.forgotten = self.forgotten + self.aged
    self.aged = self.count
    self.old, self.young, self.count = self.young, {}, 0
    self.first_old, self.first = self.first, {}
  end
  return seen + 1, age
end


return Sightings
