-- l2/ledger.lua: what an adapter knows to be stored (l2/known.lua) and who wants to
-- hear of changes. It learns from what was stored, read, found missing and deleted, and
-- from a scan. An answer may land after that of a store or a delete that was asked
-- later: it then says nothing new. Used by l2.lua.

local Known = require "weir.l2.known"

local Ledger = {}
Ledger.__index = Ledger


-- changes counts what was stored and what went: the time of `known`. gone_at: when the
-- last key went.
function Ledger.new(most)
  return setmetatable({
    known = Known.new(most), listeners = {}, failures = 0, changes = 0, gone_at = 0,
  }, Ledger)
end


--- `listener`: stored(keys, sizes), accessed(keys, sizes), deleted(keys, sizes), any
--- of them. One that raises is counted in `failures`, and hurts nobody else.
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


--- A value of that size lies under the key; nobody is told.
function Ledger:note(key, size)
  self.known:put(key, size, self.changes)
end


--- Values were stored.
function Ledger:stored(keys, sizes)
  self.changes = self.changes + 1
  for i, key in ipairs(keys) do self:note(key, sizes[i]) end
  self:tell("stored", keys, sizes)
end


--- What accessed and gone are given with the answer to what is asked now.
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


--- Nothing is there under the keys; those that were known are told as deleted.
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
