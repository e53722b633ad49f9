-- l2/ledger.lua: what an adapter knows to be stored: sizes by key, bytes by salt,
-- and who wants to hear of changes. It learns from what was stored, read, found
-- missing and deleted, and from a scan. An answer may land after that of a store or a
-- delete that was asked later: it then says nothing new. Used by l2.lua.

local Keys = require "weir.l2.keys"

local Ledger = {}
Ledger.__index = Ledger


-- changes counts what was stored and what went. known_at has for each known key how
-- many there were when it was stored, or asked for; gone_at, when the last one went.
function Ledger.new()
  return setmetatable({
    sizes = {}, bytes = {}, listeners = {}, failures = 0,
    changes = 0, known_at = {}, gone_at = 0,
  }, Ledger)
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


local function learn(self, key, size, at)
  add(self, key, size - (self.sizes[key] or 0))
  self.sizes[key], self.known_at[key] = size, at
end


--- A value of that size lies under the key; nobody is told.
function Ledger:note(key, size)
  learn(self, key, size, self.changes)
end


--- Values were stored.
function Ledger:stored(keys, sizes)
  self.changes = self.changes + 1
  for i, key in ipairs(keys) do self:note(key, sizes[i]) end
  tell(self, "stored", keys, sizes)
end


--- What accessed and gone are given with the answer to what is asked now.
function Ledger:asking()
  return self.changes
end


local function is_news(self, key, asked)
  return asked >= (self.known_at[key] or self.gone_at)
end


--- Values were read.
function Ledger:accessed(keys, sizes, asked)
  for i, key in ipairs(keys) do
    if is_news(self, key, asked) then learn(self, key, sizes[i], asked) end
  end
  tell(self, "accessed", keys, sizes)
end


--- Nothing is there under the keys; those that were known are told as deleted.
function Ledger:gone(keys, asked)
  local known, sizes = {}, {}
  for _, key in ipairs(keys) do
    local size = self.sizes[key]
    if size and is_news(self, key, asked) then
      known[#known + 1], sizes[#sizes + 1] = key, size
      self.sizes[key], self.known_at[key] = nil, nil
      add(self, key, -size)
    end
  end
  if #known == 0 then return end
  self.changes = self.changes + 1
  self.gone_at = self.changes
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
