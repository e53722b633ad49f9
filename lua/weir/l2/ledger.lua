-- l2/ledger.lua: the keys that an adapter knows to be stored (l2/known.lua), and the
-- listeners of changes. It learns from stores, reads, misses and deletes, and from a
-- scan. A reply may come after the reply to a later store or delete: then it is
-- ignored. Used by l2.lua.

local Known = require "weir.l2.known"

local Ledger = {}
Ledger.__index = Ledger


-- changes counts keys stored and keys gone: it is the clock of `known`. gone_at: the
-- time of the last key that went.
function Ledger.new(most)
  return setmetatable({
    known = Known.new(most), listeners = {}, failures = 0, changes = 0, gone_at = 0,
  }, Ledger)
end


--- `listener`: stored(keys, sizes), accessed(keys, sizes), deleted(keys, sizes), any
--- of them. An error of one is counted in `failures`, and the others are still called.
function Ledger:listen(listener)
  self.listeners[#self.listeners + 1] = listener
end


--- Tells the listeners of an event, and learns nothing from it.
function Ledger:tell(event, keys, sizes)
  if #keys == 0 then return end
  for _, listener in ipairs(self.listeners) do
    if listener[event] and not pcall(listener[event], keys, sizes) then
      self.failures = self.failures + 1
    end
  end
end


--- A value of that size lies under the key. Listeners are not told.
function Ledger:note(key, size)
  self.known:put(key, size, self.changes)
end


--- Values were stored.
function Ledger:stored(keys, sizes)
  self.changes = self.changes + 1
  for i, key in ipairs(keys) do self:note(key, sizes[i]) end
  self:tell("stored", keys, sizes)
end


--- The time of a request that is sent now: accessed and gone get it with the reply.
function Ledger:asking()
  return self.changes
end


--- Values were read.
function Ledger:accessed(keys, sizes, asked)
  for i, key in ipairs(keys) do
    local _, at = self.known:find(key)
    if asked >= (at or self.gone_at) then self.known:put(key, sizes[i], asked) end
  end
  self:tell("accessed", keys, sizes)
end


--- Nothing is there under the keys. Listeners are told that the known ones were
--- deleted.
function Ledger:gone(keys, asked)
  local gone, sizes = {}, {}
  for _, key in ipairs(keys) do
    local size, at = self.known:find(key)
    if size and asked >= at then
      gone[#gone + 1], sizes[#sizes + 1] = key, size
      self.known:forget(key)
    end
  end
  if #gone == 0 then return end
  self.changes = self.changes + 1
  self.gone_at = self.changes
  self:tell("deleted", gone, sizes)
end


return Ledger
