-- policy/record/ring.lua: what passed through a node, kept until a task has time for
-- it: a ring of keys with op, size, time to live, status, level, batch and time. Adding
-- a batch copies a few numbers a key and waits for nothing. A batch that finds no room
-- is dropped and counted. Used by record and ghost.

local ffi = require "ffi"
local host = require "weir.host"
local Op = require "weir.core.op"
local status = require "weir.core.status"

local bit = require "bit"
local band = bit.band

local Ring = {}
Ring.__index = Ring

-- Seconds between a batch and the task that takes it out.
local DELAY = 0.05

local slots_type = ffi.typeof [[struct {
  double size, ttl, batch, time; uint8_t op, status, level;
} [?] ]]


--- room: keys, rounded up to a power of two. drain(ring): takes all out, in a task.
function Ring.new(room, drain)
  local n = 1
  while n < room do n = 2 * n end
  return setmetatable({ slots = slots_type(n), keys = {}, mask = n - 1, room = n,
    first = 0, next = 0, batches = 0, dropped = 0, drain = drain, waiting = false,
  }, Ring)
end


local function sizes_of_values(req, slots, at, mask)
  local values = req.values
  for i = 1, req.n do slots[band(at + i - 1, mask)].size = #values[i] end
end


local function sizes_of_reply(reply, slots, at, mask)
  local values = reply.values
  for i = 1, reply.n do
    local v = values.at[i - 1]
    slots[band(at + i - 1, mask)].size = v ~= nil and tonumber(v.size) or 0
  end
end


local function copy(self, req, reply, at)
  local slots, keys, mask, numbers = self.slots, self.keys, self.mask, status.number
  local time, op, batch, ttl = host.now(), Op.number[req.op], self.batches, req.ttl or 0
  local names, levels, ttls = req.keys, reply.levels, req.ttls
  for i = 1, req.n do
    local j = band(at + i - 1, mask)
    local slot = slots[j]
    keys[j + 1] = names[i]
    slot.time, slot.op, slot.batch = time, op, batch
    slot.status, slot.size = numbers[reply[i]], 0
    slot.level = levels and levels[i] or 0
    slot.ttl = ttls and ttls[i] or ttl
  end
end


local function work(self)
  self.waiting = false
  self.drain(self)
end


--- Adds a request and what was answered.
function Ring:add(req, reply)
  local n, at = req.n, self.next
  if at + n - self.first > self.room then
    self.dropped = self.dropped + n
    return
  end
  copy(self, req, reply, at)
  if req.values then
    sizes_of_values(req, self.slots, at, self.mask)
  elseif reply.values then
    sizes_of_reply(reply, self.slots, at, self.mask)
  end
  self.next, self.batches = at + n, self.batches + 1
  if not self.waiting then
    self.waiting = true
    host.timer(DELAY, function() work(self) end)
  end
end


--- Takes out one key: its slot, valid until the next add, and the key. nil: none is
--- left.
function Ring:take()
  if self.first == self.next then return nil end
  local j = band(self.first, self.mask)
  local key = self.keys[j + 1]
  self.keys[j + 1] = false
  self.first = self.first + 1
  return self.slots[j], key
end


--- The number of the batch that the next key belongs to, or nil.
function Ring:batch()
  if self.first == self.next then return nil end
  return self.slots[band(self.first, self.mask)].batch
end


--- How many keys wait.
function Ring:count()
  return self.next - self.first
end


return Ring
