-- policy/shared/generations.lua: when each key was last written through a node (its
-- generation), and which keys are being written now (their locks). A node that keeps
-- copies needs both, so that no copy outlives the value that it was made of.
--
-- A copy of a value that was read may be made only if the key was not written since the
-- read began. The generations are a fixed table of counters, by the hash of the key.
-- Two keys may share a counter. Then a copy may be missing, but it is never stale.
--
-- A lock lasts as long as one write. The write runs in a task of its own, so it always
-- gives its locks back. A write that hangs keeps its locks, since it may still be
-- applied. Other writes of its keys wait for LONGEST seconds at most and are then
-- skipped. A timeout around the store that hangs ends such a write. Of sets that wait
-- for one key the last is made for all (write_queue.lua).

local bit = require "bit"
local ffi = require "ffi"
local Detach = require "weir.policy.shared.detach"
local host = require "weir.host"
local Queue = require "weir.policy.shared.write_queue"
local Reply = require "weir.core.reply"
local C = require("weir.ffi").C

local band = bit.band

local COUNTERS = 8192
local LONGEST = 30 -- seconds that a write waits for the locks of its keys

-- The array holds, one after the other: when the keys were last written, by hash; the
-- clock; when the keys were last copied from store to store, by hash; when a write last
-- moved a key; when all keys were last written.
local CLOCK, COPIED, MOVED = COUNTERS, COUNTERS + 1, 2 * COUNTERS + 1
local ALL = MOVED + 1

local Generations = {}
Generations.__index = Generations


function Generations.new()
  -- One array: generations of a tree share all of it.
  return setmetatable({
    written = ffi.new("double[?]", ALL + 1), locked = {},
  }, Generations)
end


--- Shares the state of another one: the nodes of two versions of a tree must see each
--- other's writes.
function Generations:adopt(other)
  self.written, self.locked = other.written, other.locked
  self.elsewhere = other.elsewhere or self.elsewhere
end


--- The clock, for written_since. It counts writes.
function Generations:now()
  return self.written[CLOCK]
end


local function counter(key)
  return tonumber(band(C.weir_hash(key, #key, 0), COUNTERS - 1))
end


--- Notes that the keys of a request are written: copies of values read before are old.
function Generations:bump(req)
  local keys, written = req.keys, self.written
  local clock = written[CLOCK] + 1
  written[CLOCK] = clock
  for i = 1, req.n do written[counter(keys[i])] = clock end
end


--- Notes that any key may have been written.
function Generations:bump_all()
  local written = self.written
  written[CLOCK] = written[CLOCK] + 1
  written[ALL] = written[CLOCK]
end


--- Whether the key was written after now() returned `since`.
function Generations:written_since(key, since)
  local written = self.written
  return written[counter(key)] > since or written[ALL] > since
end


-- ---- changes that others make ----

--- Counts changes by others, too, for changed_since.
function Generations:watch()
  self.elsewhere = ffi.new("double[?]", COUNTERS + 1) -- the last one is of all keys
end


--- Notes that others have changed some keys. A value that was read or written before
--- may be old.
function Generations:changed(keys)
  local written, elsewhere = self.written, self.elsewhere
  local clock = written[CLOCK] + 1
  written[CLOCK] = clock
  for i = 1, #keys do
    local at = counter(keys[i])
    written[at], elsewhere[at] = clock, clock
  end
end


--- Notes that others may have changed any key.
function Generations:changed_all()
  self:bump_all()
  self.elsewhere[COUNTERS] = self.written[CLOCK]
end


--- Whether others may have changed the key after now() returned `since`.
function Generations:changed_since(key, since)
  local elsewhere = self.elsewhere
  return elsewhere ~= nil
    and (elsewhere[counter(key)] > since or elsewhere[COUNTERS] > since)
end


-- ---- reads and copies ----

--- Whether no write of the key is running, or has ended since now() returned `since`.
function Generations:quiet(key, since)
  return not self.locked[key] and not self:written_since(key, since)
end


--- Notes that a key was copied to another store. It was not written, but more stores
--- have it.
function Generations:copied(key)
  local written = self.written
  written[CLOCK] = written[CLOCK] + 1
  written[COPIED + counter(key)] = written[CLOCK]
end


--- The same for the keys of a request.
function Generations:copied_all(req)
  local keys, written = req.keys, self.written
  local clock = written[CLOCK] + 1
  written[CLOCK] = clock
  for i = 1, req.n do written[COPIED + counter(keys[i])] = clock end
end


--- Whether the key is in the same stores as when now() returned `since`. The deletion
--- of an old copy does not count: no read finds that one.
function Generations:still(key, since)
  local lock = self.locked[key]
  return (not lock or lock.why == "old") and not self:written_since(key, since)
    and self.written[COPIED + counter(key)] <= since
end


--- Notes that a write stored a key in one store and removed it from another.
function Generations:moved()
  self.written[MOVED] = self.written[CLOCK] + 1
end


--- Whether any key was moved after now() returned `since`.
function Generations:moved_since(since)
  return self.written[MOVED] > since
end


local function first_locked(self, req)
  local locked, keys = self.locked, req.keys
  for i = 1, req.n do
    if locked[keys[i]] then return keys[i] end
  end
end


-- Waits until a lock is given back, or a later set has been made instead of a write
-- that waits. A task that gives up leaves the queue.
local function await(queue, waiting, seconds)
  waiting.waiter, waiting.queue = host.prepare(), queue
  queue[#queue + 1] = waiting
  local woken, why = host.park(waiting.waiter, seconds)
  if woken then return true end
  queue = waiting.queue
  for i = 1, #queue do
    if queue[i] == waiting then table.remove(queue, i) break end
  end
  if why == "killed" then
    Queue.settle(waiting, false)
    error(host.KILLED, 0)
  end
  return false
end


--- Locks all keys of a request, or none. Waits until they are free. Returns whether it
--- has them: not if the deadline or LONGEST seconds passed, or if a later set was made
--- instead. The second result is how it waited, if it did.
function Generations:lock(req)
  local by = math.min(req.deadline or math.huge, host.now() + LONGEST)
  local busy, waiting = first_locked(self, req), nil
  while busy do
    waiting = waiting or Queue.entry(req)
    local left = by - host.now()
    if left <= 0 or not await(self.locked[busy], waiting, left) then
      Queue.settle(waiting, false)
      return false, waiting
    end
    if waiting.replaced then return false, waiting end
    busy = first_locked(self, req)
  end
  for i = 1, req.n do self.locked[req.keys[i]] = {} end
  return true, waiting
end


--- Locks one key if it is free. why: "copy", to copy its value from store to store;
--- "old", to delete an old copy; nil: to write it.
function Generations:try(key, why)
  if self.locked[key] then return false end
  self.locked[key] = { why = why }
  return true
end


--- Whether a key is locked for a copy.
function Generations:copying(key)
  local lock = self.locked[key]
  return lock ~= nil and lock.why == "copy"
end


--- Unlocks a key.
function Generations:free(key)
  local queue = self.locked[key]
  self.locked[key] = nil
  Queue.combine(queue)
  for i = 1, #queue do host.wake(queue[i].waiter) end
end


function Generations:unlock(req)
  for i = 1, req.n do self:free(req.keys[i]) end
end


-- The reply; false: the keys stayed locked for too long.
local function locked(self, req, fn, node)
  local got, waiting = self:lock(req)
  if not got then
    return waiting.replaced and Reply.uniform(req, "ok", nil, node.name) or false
  end
  local ok, reply = pcall(fn, node, req)
  if not (node.exclusive and req.op == "touch") then self:bump(req) end
  if waiting then Queue.settle(waiting, ok and reply[1] == "ok") end
  self:unlock(req)
  if not ok then error(reply, 0) end
  return reply
end


--- Runs fn(node, req), a write, under the locks of its keys and in a task of its own,
--- and bumps their generations at the end. A touch of an exclusive tier does not bump:
--- a value on its way down is in no store, and must not be dropped. A node that never
--- waits needs neither task nor locks: no other task runs in between, and none can be
--- killed half-way.
function Generations:write(node, req, fn)
  if node.immediate then
    local reply = fn(node, req)
    if not (node.exclusive and req.op == "touch") then self:bump(req) end
    return reply
  end
  local deadline = not node.bounded and req.deadline or nil
  local reply = Detach.call(deadline, locked, self, req, fn, node)
  if reply then return reply end
  return Reply.uniform(req, reply == nil and "timeout" or "skipped",
    node.name .. ": another write of the key is under way", node.name)
end


return Generations
