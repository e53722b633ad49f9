-- replay/models/meter.lua: what one store of a replay counts, the same for every kind
-- of store.

local Histogram = require "weir.replay.models.histogram"

local Meter = {}
Meter.__index = Meter

-- Copies that are followed at the same time, to see whether they are read. Others are
-- made and not followed.
local MOST = 65536

-- LuaJIT compiles no call of this function: a trace ends before it and another begins
-- behind it. Every store of a replay calls it once a batch. Without it one trace goes
-- through all stores and words of a request, and the traces from the middle of it to
-- its end need more registers than there are. LuaJIT tries to compile each of them 240
-- times and interprets it from then on, which takes 1.4 times as long in all.
local end_trace = coroutine.running


--- label: unique among the stores; connector: its kind; rules: of its model, or nil;
--- phase.filling: whether what is set now is a copy of what a get found.
function Meter.new(label, connector, rules, phase)
  return setmetatable({ label = label, connector = connector, rules = rules,
    phase = phase }, Meter):reset()
end


--- Starts anew: a warm-up has ended.
function Meter:reset()
  self.ops, self.latency, self.hits, self.copies = {}, {}, 0, 0
  -- Of the copies that were followed: how many there were, and how many were read. What
  -- has not been read so far is in `unread`, by key.
  self.followed, self.used, self.unread, self.n_unread = 0, 0, {}, 0
  self.evicted = { count = 0, bytes = 0, unused = 0,
    age = Histogram.new(), idle = Histogram.new() }
  if self.asked then self.asked:evicted_ages() end
  return self
end


--- Lets a store of C count what it evicts (native/evicted.lua) from now on.
function Meter:ask_store(store)
  store:evicted_ages()
  self.asked = store
end


--- What was evicted since the start or the last reset: count, bytes, unused (entries
--- that were never read), age and idle (summaries of seconds). To be asked once, at the
--- end.
function Meter:evictions()
  if self.asked then return assert(self.asked:evicted_ages(), "out of memory") end
  local evicted = self.evicted
  return { count = evicted.count, bytes = evicted.bytes, unused = evicted.unused,
    age = evicted.age:summary(), idle = evicted.idle:summary() }
end


local function fresh(self, op)
  local counts = { batches = 0, keys = 0, ok = 0, miss = 0, other = 0, bytes = 0 }
  self.ops[op] = counts
  return counts
end


local function follow(self, keys, reply)
  for i = 1, reply.n do
    if reply[i] == "ok" and not self.unread[keys[i]] and self.n_unread < MOST then
      self.unread[keys[i]], self.n_unread = true, self.n_unread + 1
      self.followed = self.followed + 1
    end
  end
end


-- A copy has been read, or is gone without.
local function look_for(self, keys, reply)
  for i = 1, reply.n do
    if self.unread[keys[i]] then
      self.unread[keys[i]], self.n_unread = nil, self.n_unread - 1
      if reply[i] == "ok" then self.used = self.used + 1 end
    end
  end
end


--- Counts a batch. good: slots that are ok; bytes: that went over the wire.
function Meter:count(op, keys, reply, good, bytes)
  end_trace()
  local counts, n = self.ops[op] or fresh(self, op), reply.n
  counts.batches, counts.keys = counts.batches + 1, counts.keys + n
  counts.ok, counts.bytes = counts.ok + good, counts.bytes + bytes
  if op == "get" then
    self.hits = self.hits + good
    if self.n_unread > 0 then look_for(self, keys, reply) end
  elseif op == "set" and self.phase.filling then
    self.copies = self.copies + good
    follow(self, keys, reply)
  end
  if good == n then return end
  local miss = 0
  for i = 1, n do
    if reply[i] == "miss" then miss = miss + 1 end
  end
  counts.miss = counts.miss + miss
  counts.other = counts.other + n - good - miss
end


--- Counts an entry that went for room: set `age` seconds ago, and last read `idle`
--- seconds ago, or never: nil.
function Meter:evict(bytes, age, idle)
  local evicted = self.evicted
  evicted.count, evicted.bytes = evicted.count + 1, evicted.bytes + bytes
  if not idle then evicted.unused = evicted.unused + 1 end
  evicted.age:add(age)
  evicted.idle:add(idle or age)
end


function Meter:time(op, seconds)
  local histogram = self.latency[op]
  if not histogram then
    histogram = Histogram.new()
    self.latency[op] = histogram
  end
  histogram:add(seconds)
end


return Meter
