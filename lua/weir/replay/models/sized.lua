-- replay/models/sized.lua: a store that is modelled by its rules: fs, redis and others.
-- It knows which keys it has and how large their values are (index.lua), and how long
-- it takes (station.lua). Where time does not count it answers at once.

local Index = require "weir.replay.models.index"
local Reply = require "weir.core.reply"
local Station = require "weir.replay.models.station"
local Store = require "weir.core.store"
local Values = require "weir.replay.models.values"
local C = require("weir.ffi").C

local Sized = setmetatable({}, { __index = Store })
Sized.__index = Sized
Sized.bodiless = true
Sized.__tostring = Store.__tostring

-- What fs puts behind a value: the key, up to a multiple of 16, and 48 bytes.
local TRAILER, ALIGN = 48, 16


local function file_charge(size, key_len)
  local file = math.ceil((size + key_len) / ALIGN) * ALIGN + TRAILER
  return math.ceil(file / 4096) * 4096
end


local function charge_of(self, size, key_len)
  if self.connector == "fs" then return file_charge(size, key_len) end
  return size + key_len + self.rules.overhead
end


--- world: the simulation (models.lua). config: name, connector, capacity, ttl, rules.
function Sized.new(world, meter, config)
  local host = world.host
  local self = setmetatable({
    name = config.name, connector = config.connector, rules = config.rules,
    counted = meter, host = host, default_ttl = config.ttl, handle = true,
    immediate = not world.timed, reuses = not world.timed, bounded = true, slots = {},
    sees = true,
    station = world.timed and Station.new(config.rules) or nil,
  }, Sized)
  local function on_evict(e)
    local now = host.now()
    meter:evict(e.size, now - e.born, e.used > 0 and now - e.used or nil)
  end
  self.index = Index.new(config.capacity, world.most_items, config.rules.eviction,
    on_evict)
  return self
end


local function all(self, req, status, message)
  local reply = Reply.new(req)
  for i = 1, req.n do reply[i] = status end
  reply.good, reply.store = 0, self.name
  reply.message = message and self.name .. ": " .. message or nil
  return reply
end


-- ---- the operations: each answers the slots and returns how many are ok, and how
-- ---- many bytes went over the wire

local function find_all(self, req, reply, now)
  local index, slots, keys, front = self.index, self.slots, req.keys, req.front
  local good = 0
  for i = 1, req.n do
    local slot = index:find(front and front .. keys[i] or keys[i], now)
    slots[i] = slot
    if slot ~= 0 then
      good, reply[i] = good + 1, "ok"
    else
      reply[i] = "miss"
    end
  end
  return good
end


local function read_into(req, reply, i, size)
  if size > req.caps[i] then return reply:set(i, "toobig", { size = size }) end
  require("ffi").fill(req.buffers[i], size)
  reply:note("sizes", i, size)
end


local function get(self, req, reply, now)
  local good, bytes, slots, index = find_all(self, req, reply, now), 0, self.slots,
    self.index
  if good == 0 then return 0, 0 end
  local at = not req.buffers and reply:room().at
  for i = 1, req.n do
    local slot = slots[i]
    if slot ~= 0 then
      index:hit(slot, now)
      local size = index.entries[slot].size
      bytes = bytes + size
      if at then
        at[i - 1] = C.weir_value_ref(Values.of(size).ref)
      else
        read_into(req, reply, i, size)
      end
    end
  end
  return good, bytes
end


local function exists(self, req, reply, now)
  return find_all(self, req, reply, now), 0
end


local function stat(self, req, reply, now)
  local good, entries = find_all(self, req, reply, now), self.index.entries
  for i = 1, good > 0 and req.n or 0 do
    local slot = self.slots[i]
    if slot ~= 0 then
      local e = entries[slot]
      reply:note("sizes", i, e.size)
      if e.expires < math.huge then reply:note("ttls", i, e.expires - now) end
    end
  end
  return good, 0
end


local function set(self, req, reply, now)
  local index, good, bytes = self.index, 0, 0
  local keys, values, front = req.keys, req.values, req.front
  for i = 1, req.n do
    local key, size = front and front .. keys[i] or keys[i], #values[i]
    local ttl = req:ttl_of(i) or self.default_ttl
    local expires = ttl and now + ttl or math.huge
    if index:put(key, size, charge_of(self, size, #key), now, expires) then
      reply[i], good, bytes = "ok", good + 1, bytes + size
    else
      reply[i] = "rejected"
    end
  end
  return good, bytes
end


local function delete(self, req, reply, now)
  local good = find_all(self, req, reply, now)
  for i = 1, good > 0 and req.n or 0 do
    -- A key is in a request once: no slot is removed twice.
    if self.slots[i] ~= 0 then self.index:remove(self.slots[i]) end
  end
  return good, 0
end


local function touch(self, req, reply, now)
  local good, index = find_all(self, req, reply, now), self.index
  for i = 1, good > 0 and req.n or 0 do
    if self.slots[i] ~= 0 then
      local ttl = req:ttl_of(i)
      index.entries[self.slots[i]].expires = ttl and now + ttl or math.huge
      index.timed = index.timed or ttl ~= nil
    end
  end
  return good, 0
end


local OPS = { get = get, exists = exists, stat = stat, set = set, delete = delete,
  touch = touch }


local function apply(self, req, now)
  local reply = Reply.new(req)
  local good, bytes = OPS[req.op](self, req, reply, now)
  if not req.buffers then reply.good = good end
  self.counted:count(req.op, req.keys, reply, good, bytes)
  return reply
end


-- ---- time ----

-- What each item of a request carries.
local function loads(self, req, now)
  local bytes, index, front = {}, self.index, req.front
  for i = 1, req.n do
    local load = 0
    if req.op == "set" then
      load = #req.values[i]
    elseif req.op == "get" then
      local slot = index:find(front and front .. req.keys[i] or req.keys[i], now)
      load = slot ~= 0 and index.entries[slot].size or 0
    end
    bytes[i] = load
  end
  return bytes
end


-- A write whose answer came too late has happened.
local function too_late(self, req, now)
  self.host.sleep(req.deadline - now)
  if req.op ~= "get" then OPS[req.op](self, req, Reply.new(req), self.host.now()) end
  return all(self, req, "timeout", "no answer before the deadline")
end


local function take_time(self, req)
  local host = self.host
  local now = host.now()
  local over = self.station:finish(now, req.n, loads(self, req, now), req.deadline)
  if not over then return all(self, req, "skipped", "queued until the deadline") end
  if req.deadline and over > req.deadline then return too_late(self, req, now) end
  host.sleep(over - now)
  self.counted:time(req.op, over - now)
  return apply(self, req, over)
end


local function failed(self, req)
  local errors = self.rules.errors
  if errors == 0 or self.host.random() >= errors then return nil end
  return all(self, req, "unavailable", "an error of the model")
end


--- Runs a request; see store.lua.
function Sized:run(req)
  if req.n == 0 then return Reply.new(req) end
  local now = self.host.now()
  local reply
  if not OPS[req.op] then
    reply = all(self, req, "unsupported", "a model knows no keys, only their hashes")
  elseif req.deadline and now >= req.deadline then
    reply = all(self, req, "skipped", "the deadline had passed")
  else
    reply = failed(self, req)
  end
  if reply then
    self.counted:count(req.op, req.keys, reply, 0, 0)
    return reply
  end
  if not self.station then return apply(self, req, now) end
  reply = take_time(self, req)
  if reply.good == 0 and reply.store then
    self.counted:count(req.op, req.keys, reply, 0, 0)
  end
  return reply
end


--- Nobody else writes to a model, so it has seen every change.
function Sized:can_tell()
  return "alone"
end


--- As of a C store, as far as a model knows.
function Sized:stats()
  local index = self.index
  return { name = self.name, ops = {}, gauges = {
    capacity = index.capacity < math.huge and index.capacity or nil,
    bytes = index.stored, items = index.n, evictions = self.counted.evicted.count,
    expired = index.expired, memory = index:memory(),
  } }
end


function Sized:close()
  self.index:close()
  return true
end


return Sized
