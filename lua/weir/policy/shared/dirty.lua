-- policy/shared/dirty.lua: the writes that the authority does not have yet, by key:
-- the newest of each key, a value or a deletion. They are counted in bytes and held by
-- reference, so that no eviction loses one. Used by write-back and spool.

local host = require "weir.host"
local Value = require "weir.core.value"

local Dirty = {}
Dirty.__index = Dirty

-- What an entry costs beside its key and value, in bytes.
local OVERHEAD = 200


--- most: bytes.
function Dirty.new(most)
  return setmetatable({ most = most, keys = {}, count = 0, bytes = 0, removed = 0,
    queue = {}, first = 1, last = 0, waiters = {} }, Dirty)
end


--- Makes an entry. value: nil for a deletion. ends: when it expires, or nil.
function Dirty.entry(key, value, ends)
  if value and type(value) ~= "string" then value = Value.own(Value.pointer(value)) end
  return { key = key, value = value, ends = ends, since = host.now(),
    size = value and #value or 0, charge = #key + (value and #value or 0) + OVERHEAD }
end


--- The newest write of a key, or nil.
function Dirty:get(key)
  return self.keys[key]
end


--- Whether an entry holds a value that has not expired.
function Dirty.alive(entry)
  return entry.value ~= nil and not (entry.ends and entry.ends <= host.now())
end


--- Whether an entry fits, in the place of an older one of its key. A deletion always
--- does.
function Dirty:fits(entry)
  local old = self.keys[entry.key]
  return not entry.value
    or self.bytes + entry.charge - (old and old.charge or 0) <= self.most
end


--- Adds an entry. It takes the place, and the age, of an older one of its key. Returns
--- whether there was one.
function Dirty:put(entry)
  local key = entry.key
  local old = self.keys[key]
  self.keys[key] = entry
  self.bytes = self.bytes + entry.charge - (old and old.charge or 0)
  if old then
    entry.since, entry.queued = old.since, old.queued
    return true
  end
  self.count, self.last = self.count + 1, self.last + 1
  self.queue[self.last], entry.queued = key, self.last
  return false
end


--- Removes an entry, unless a newer one has taken its place.
function Dirty:remove(entry)
  local key = entry.key
  if self.keys[key] ~= entry then return false end
  self.keys[key], self.queue[entry.queued] = nil, nil
  self.count, self.bytes = self.count - 1, self.bytes - entry.charge
  self.removed = self.removed + 1
  while self.first <= self.last and not self.queue[self.first] do
    self.first = self.first + 1
  end
  if self.first > self.last then self.first, self.last = 1, 0 end
  return true
end


--- Calls fn(entry) for each entry, the one that waits longest first, until it returns
--- false.
function Dirty:each(fn)
  for i = self.first, self.last do
    local key = self.queue[i]
    if key and fn(self.keys[key]) == false then return end
  end
end


--- When the entry that waits longest became dirty, or nil.
function Dirty:oldest()
  local key = self.queue[self.first]
  return key and self.keys[key].since
end


--- Lets all go on that wait for a change.
function Dirty:changed()
  local waiters = self.waiters
  self.waiters = {}
  for i = 1, #waiters do host.wake(waiters[i]) end
end


--- Waits for a change, until the time `by` if given. false: that came first.
function Dirty:wait(by)
  local waiter = host.prepare()
  self.waiters[#self.waiters + 1] = waiter
  return host.wait(waiter, by and math.max(by - host.now(), 0))
end


return Dirty
