-- policy/shared/decide.lua: asks a predicate about keys. One info table is reused for
-- all. Used by tier (promote) and admit.

local host = require "weir.host"
local Predicate = require "weir.policy.shared.predicate"
local Sightings = require "weir.policy.shared.sightings"

local Decide = {}
Decide.__index = Decide

-- Seconds for which the fill of a store that was read is used again.
local FRESH = 0.01


-- The first store below that knows its capacity.
local function gauges(store)
  if store.handle then return store:stats().gauges end
  for _, child in pairs(store.children or {}) do
    local found = gauges(child)
    if found then return found end
  end
end


-- The share of the fullest queue that a set may wait in. A store without a queue is 0.
local function queue(store)
  local most = store.queue_fill and store:queue_fill "set" or 0
  for _, child in pairs(store.children or {}) do most = math.max(most, queue(child)) end
  return most
end


-- What the target tells about itself is looked up when a predicate reads it. The queue
-- may fill up within microseconds, and reading it is cheap.
local function lookup(info, name)
  if name == "queue" then return queue(info.target) end
  if name ~= "free" and name ~= "capacity" then return nil end
  local now = host.now()
  if not info.looked or now - info.looked > FRESH then
    rawset(info, "looked", now)
    rawset(info, "known", gauges(info.target) or false)
  end
  local known = info.known
  if not known or not known.capacity then return nil end
  return name == "capacity" and known.capacity or known.capacity - known.bytes
end


--- target: the store that would hold the copy. seen: for how many keys the sightings
--- are counted.
function Decide.new(predicate, target, seen)
  return setmetatable({
    predicate = predicate,
    sightings = predicate.counts and Sightings.new(seen),
    resident = predicate.counts == "resident",
    info = setmetatable({ target = target }, { __index = lookup }),
    yes = 0, no = 0,
  }, Decide)
end


--- How many keys were counted anew, since there was no room for them.
function Decide:forgotten()
  return self.sightings and self.sightings.forgotten or 0
end


--- Forgets the sightings of a key that the level below does not have. Only for counts
--- of the kind "resident".
function Decide:gone(key)
  self.sightings:forget(key)
end


--- Whether the predicate says yes. batch: the keys of the request.
function Decide:ask(key, size, level, ttl, batch)
  local predicate = self.predicate
  local yes = predicate == Predicate.words.always
  if not yes and predicate ~= Predicate.words.never then
    local info = self.info
    info.size, info.level, info.ttl, info.batch = size, level, ttl, batch
    if self.sightings then info.hits, info.age = self.sightings:see(key) end
    yes = predicate.test(key, info) and true or false
  end
  if yes then self.yes = self.yes + 1 else self.no = self.no + 1 end
  return yes
end


return Decide
