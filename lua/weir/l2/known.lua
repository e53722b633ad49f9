-- l2/known.lua: the sizes of keys, of `most` keys at most. When they become more,
-- those stay whose hash ends in a zero bit, then in two, and so on: a random share of
-- all keys, each of which stands for `weight` keys. Sums of bytes then have a relative
-- standard error of about sqrt((1 + v^2) / n), n being the keys known under a salt and
-- v the spread of their sizes over the mean. Used by l2/ledger.lua.

local bit = require "bit"
local ffi = require "ffi"
local Keys = require "weir.l2.keys"
local C = require("weir.ffi").C

local Known = {}
Known.__index = Known

local low_bits = ffi.typeof "uint32_t"


-- entries: by key { size, at, ticket }. queue: keys by ticket, the oldest at `first`.
function Known.new(most)
  return setmetatable({
    most = most, n = 0, mask = 0, weight = 1,
    entries = {}, bytes = {}, queue = {}, first = 1, last = 0,
  }, Known)
end


local function is_chosen(self, key)
  if self.mask == 0 then return true end
  local hash = tonumber(ffi.cast(low_bits, C.weir_hash(key, #key, 0)))
  return bit.band(hash, self.mask) == 0
end


local function add(self, key, size)
  local salt = Keys.salt(key)
  local sum = (self.bytes[salt] or 0) + size
  self.bytes[salt] = sum > 0 and sum or nil
end


-- Gives the entry of a key the last place of the queue.
local function enqueue(self, key, entry)
  self.last = self.last + 1
  self.queue[self.last], entry.ticket = key, self.last
end


local function thin_out(self)
  self.mask, self.weight = 2 * self.mask + 1, 2 * self.weight
  for key in pairs(self.entries) do
    if not is_chosen(self, key) then self:forget(key) end
  end
end


--- The size of a key and when that was learned, or nil.
function Known:find(key)
  local entry = self.entries[key]
  if entry then return entry.size, entry.at end
end


--- A value of that size lies under the key since the time `at`.
function Known:put(key, size, at)
  local entry = self.entries[key]
  if entry then
    add(self, key, size - entry.size)
    entry.size, entry.at = size, at
    return
  end
  if not is_chosen(self, key) then return end
  entry = { size = size, at = at, ticket = 0 }
  self.entries[key], self.n = entry, self.n + 1
  add(self, key, size)
  enqueue(self, key, entry)
  while self.n > self.most do thin_out(self) end
end


--- Nothing is known of the key any more.
function Known:forget(key)
  local entry = self.entries[key]
  if not entry then return end
  add(self, key, -entry.size)
  self.queue[entry.ticket], self.entries[key] = nil, nil
  self.n = self.n - 1
  if self.n == 0 then
    self.mask, self.weight, self.queue, self.first, self.last = 0, 1, {}, 1, 0
  end
end


--- The n keys that were handed out, or put, longest ago.
function Known:oldest(n)
  local keys, last = {}, self.last
  while #keys < n and self.first <= last do
    local key = self.queue[self.first]
    self.queue[self.first] = nil
    self.first = self.first + 1
    if key then
      keys[#keys + 1] = key
      enqueue(self, key, self.entries[key])
    end
  end
  return keys
end


--- The bytes by salt. "" is the salt of keys without one.
---@return table<string, number>
function Known:usage()
  local usage = {}
  for salt, bytes in pairs(self.bytes) do usage[salt] = bytes * self.weight end
  return usage
end


return Known
