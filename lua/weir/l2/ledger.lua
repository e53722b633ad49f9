-- l2/ledger.lua: what an adapter knows to be stored: sizes by key, bytes by salt,
-- and who wants to hear of changes. It learns from what was stored, read, found
-- missing and deleted, and from a scan. Used by l2.lua.

local Keys = require "weir.l2.keys"

local Ledger = {}
Ledger.__index = Ledger


function Ledger.new()
  return setmetatable({ sizes = {}, bytes = {}, listeners = {}, failures = 0 }, Ledger)
end


--- `listener`: stored(keys, sizes), accessed(keys, sizes), deleted(keys, sizes), any
--- of them. One that raises is counted in `failures`, and hurts nobody else.
function Ledger:listen(listener)
  self.listeners[#self.listeners + 1] = listener
end


local function tell(self, event, keys, sizes)
  if #keys == 0 then return end
  for _, listener in ipairs(self.listeners) do
    if listener[event] and not pcall(listener[event], keys, sizes) then
      self.failures = self.failures + 1
    end
  end
end


local function add(self, key, size)
  local salt = Keys.salt(key)
  local sum = (self.bytes[salt] or 0) + size
  self.bytes[salt] = sum > 0 and sum or nil
end


--- A value of that size lies under the key; nobody is told.
function Ledger:note(key, size)
  add(self, key, size - (self.sizes[key] or 0))
  self.sizes[key] = size
end


--- Values were stored.
function Ledger:stored(keys, sizes)
  for i, key in ipairs(keys) do self:note(key, sizes[i]) end
  tell(self, "stored", keys, sizes)
end


--- Values were read.
function Ledger:accessed(keys, sizes)
  for i, key in ipairs(keys) do self:note(key, sizes[i]) end
  tell(self, "accessed", keys, sizes)
end


--- Nothing is there under the keys; those that were known are told as deleted.
function Ledger:gone(keys)
  local known, sizes = {}, {}
  for _, key in ipairs(keys) do
    local size = self.sizes[key]
    if size then
      known[#known + 1], sizes[#sizes + 1] = key, size
      self.sizes[key] = nil
      add(self, key, -size)
    end
  end
  tell(self, "deleted", known, sizes)
end


--- The bytes by salt; "" is that of keys without one.
---@return table<string, number>
function Ledger:usage()
  local copy = {}
  for salt, bytes in pairs(self.bytes) do copy[salt] = bytes end
  return copy
end


return Ledger
