-- replay/models/index.lua: the entries of a store that is modelled by its rules: which
-- keys it has, their sizes, when they expire, and which one goes when it is full. 48
-- bytes an entry and 8 to 16 for its buckets: keys are known by their 64-bit hash. Most
-- keys that are looked for are not there: with two buckets an entry few of them have to
-- look at an entry, which is rarely in the processor's cache.
--
-- The rules of eviction: "none"; "sieve" as connectors/fs/index.c has it (a hit only
-- marks, a hand goes from old to young, spares the marked once); "lru".

local ffi = require "ffi"
local Ffi = require "weir.ffi"
local C = Ffi.C

local Libc = Ffi.system(nil, [[
void *weir_replay_realloc(void *, size_t) __asm__("realloc");
void weir_replay_release(void *) __asm__("free");
]])

local Entry = ffi.typeof "struct weir_model_entry"
local ENTRY = ffi.sizeof(Entry)
local entry_pointer, bucket_pointer = ffi.typeof("$ *", Entry), ffi.typeof "uint32_t *"
local band = bit.band

local Index = {}
Index.__index = Index

local FIRST = 1024 -- entries and buckets at first


local function allocate(pointer, bytes, ctype)
  local at = Libc.weir_replay_realloc(pointer, bytes)
  if at == nil then error("out of memory for the entries of a model", 0) end
  return ffi.cast(ctype, at)
end


--- capacity: in units of charge, 0 = no limit; most: entries, or nil; eviction: the
--- rule; on_evict(entry) is told of each entry that goes for room.
function Index.new(capacity, most, eviction, on_evict)
  local self = setmetatable({
    capacity = capacity > 0 and capacity or math.huge, most = most or math.huge,
    eviction = eviction, on_evict = on_evict,
    n = 0, top = 0, room = FIRST, n_buckets = FIRST, free_slot = 0,
    oldest = 0, youngest = 0, hand = 0, stored = 0, expired = 0,
    timed = false,
  }, Index)
  self.entries = allocate(nil, (FIRST + 1) * ENTRY, entry_pointer)
  self.buckets = allocate(nil, FIRST * 4, bucket_pointer)
  ffi.fill(self.buckets, FIRST * 4)
  self.guard = ffi.gc(ffi.new "char[1]", function() self:close() end)
  return self
end


--- Gives the memory back.
function Index:close()
  if self.entries == nil then return end
  ffi.gc(self.guard, nil)
  Libc.weir_replay_release(self.entries)
  Libc.weir_replay_release(self.buckets)
  self.entries, self.buckets, self.n = nil, nil, 0
end


--- The bytes of memory that the entries take.
function Index:memory()
  return (self.room + 1) * ENTRY + self.n_buckets * 4
end


-- ---- the table ----

local function rehash(self)
  local n = self.n_buckets * 2
  local buckets = allocate(self.buckets, n * 4, bucket_pointer)
  self.buckets, self.n_buckets = buckets, n
  ffi.fill(buckets, n * 4)
  local entries, slot = self.entries, self.oldest
  while slot ~= 0 do
    local e = entries[slot]
    local at = tonumber(band(e.hash, n - 1))
    e.chain = buckets[at]
    buckets[at] = slot
    slot = e.younger
  end
end


local function new_slot(self)
  local slot = self.free_slot
  if slot ~= 0 then
    self.free_slot = self.entries[slot].chain
    return slot
  end
  if self.top == self.room then
    self.room = math.ceil(self.room * 1.25)
    self.entries = allocate(self.entries, (self.room + 1) * ENTRY, entry_pointer)
  end
  self.top = self.top + 1
  return self.top
end


local function unchain(self, slot)
  local entries = self.entries
  local at = tonumber(band(entries[slot].hash, self.n_buckets - 1))
  local other = self.buckets[at]
  if other == slot then
    self.buckets[at] = entries[slot].chain
    return
  end
  while entries[other].chain ~= slot do other = entries[other].chain end
  entries[other].chain = entries[slot].chain
end


-- ---- the queue ----

local function link_youngest(self, slot)
  local e = self.entries[slot]
  e.older, e.younger = self.youngest, 0
  if self.youngest ~= 0 then
    self.entries[self.youngest].younger = slot
  else
    self.oldest = slot
  end
  self.youngest = slot
end


local function unlink(self, slot)
  local entries = self.entries
  local e = entries[slot]
  if self.hand == slot then self.hand = e.younger end
  if e.older ~= 0 then
    entries[e.older].younger = e.younger
  else
    self.oldest = e.younger
  end
  if e.younger ~= 0 then
    entries[e.younger].older = e.older
  else
    self.youngest = e.older
  end
end


-- The entry to evict, or 0.
local function victim(self)
  if self.eviction ~= "sieve" then return self.oldest end
  local entries = self.entries
  local slot = self.hand ~= 0 and self.hand or self.oldest
  while slot ~= 0 and entries[slot].mark == 1 do
    entries[slot].mark = 0
    slot = entries[slot].younger ~= 0 and entries[slot].younger or self.oldest
  end
  if slot ~= 0 then self.hand = entries[slot].younger end
  return slot
end


-- ---- what a store does ----

--- Forgets an entry.
function Index:remove(slot)
  unchain(self, slot)
  unlink(self, slot)
  local e = self.entries[slot]
  self.stored, self.n = self.stored - e.charge, self.n - 1
  e.chain = self.free_slot
  self.free_slot = slot
end


-- The slot of a hash, or 0.
local function look_up(self, hash, now)
  local entries = self.entries
  local slot = C.weir_model_find(entries, self.buckets, self.n_buckets, hash)
  if slot ~= 0 and self.timed and entries[slot].expires <= now then
    self.expired = self.expired + 1
    self:remove(slot)
    return 0
  end
  return slot
end


--- The slot of a key that has not expired, or 0.
function Index:find(key, now)
  return look_up(self, C.weir_hash(key, #key, 0), now)
end


--- Notes that an entry was read.
function Index:hit(slot, now)
  local e = self.entries[slot]
  e.mark, e.used = 1, now
  if self.eviction == "lru" and slot ~= self.youngest then
    unlink(self, slot)
    link_youngest(self, slot)
  end
end


-- Evicts until a charge has room beside what is there, that which it replaces included:
-- its slot is `old`, or 0. Returns that, or 0 when it had to go, too.
local function make_room(self, charge, old)
  while self.stored + charge > self.capacity or self.n >= self.most do
    local slot = victim(self)
    if slot == 0 then break end
    self.on_evict(self.entries[slot])
    self:remove(slot)
    if slot == old then old = 0 end
  end
  return old
end


local function insert(self, hash, size, charge, now, expires)
  local slot = new_slot(self)
  local e = self.entries[slot]
  e.hash, e.expires, e.size, e.charge = hash, expires, size, charge
  e.born, e.used, e.mark = now, 0, 0
  if 2 * self.n >= self.n_buckets then rehash(self) end
  local at = tonumber(band(hash, self.n_buckets - 1))
  e.chain = self.buckets[at]
  self.buckets[at] = slot
  link_youngest(self, slot)
  self.n, self.stored = self.n + 1, self.stored + charge
end


local function replace(self, slot, size, charge, now, expires)
  local e = self.entries[slot]
  self.stored = self.stored + charge - e.charge
  e.size, e.charge, e.expires, e.born = size, charge, expires, now
  self:hit(slot, now)
  e.used = 0 -- the new value has not been read
end


--- Stores a key. expires: on the host's clock, math.huge for never. False: it is
--- larger than the capacity, and what it should have replaced is gone.
function Index:put(key, size, charge, now, expires)
  local hash = C.weir_hash(key, #key, 0)
  local slot = look_up(self, hash, now)
  if charge > self.capacity then
    if slot ~= 0 then self:remove(slot) end
    return false
  end
  slot = make_room(self, charge, slot)
  if expires < math.huge then self.timed = true end
  if slot ~= 0 then
    replace(self, slot, size, charge, now, expires)
  else
    insert(self, hash, size, charge, now, expires)
  end
  return true
end


return Index
