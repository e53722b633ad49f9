-- l2/locks.lua: keys that must not be deleted, by count. A lookup takes its locks
-- before its request and releases those of keys that are not there, so that no key
-- that it found can be deleted in between. Unlocking while the lookup is in flight
-- takes the lock from it: its result then says "not locked".

local Locks = {}
Locks.__index = Locks


function Locks.new()
  return setmetatable({ counts = {}, asking = {} }, Locks)
end


--- How many hold a key.
function Locks:count(key)
  return self.counts[key] or 0
end


--- How many keys are held.
function Locks:keys()
  local n = 0
  for _ in pairs(self.counts) do n = n + 1 end
  return n
end


local function change(list, key, by)
  local n = (list[key] or 0) + by
  list[key] = n > 0 and n or nil
end


--- A lookup of the key begins.
function Locks:begin(key)
  change(self.counts, key, 1)
  change(self.asking, key, 1)
end


--- A lookup of the key ends. Returns whether the key is there and stays locked.
function Locks:settle(key, found)
  local held = self:count(key) >= self.asking[key]
  change(self.asking, key, -1)
  if held and not found then change(self.counts, key, -1) end
  return held and found
end


--- Takes one lock off a key, if it is locked.
function Locks:release(key)
  change(self.counts, key, -1)
end


return Locks
