-- l2.lua: LMCache's interface for several processes (its L2 adapter) over any store:
-- tasks with ids, three fds that say which kind has results, a bitmap for each task,
-- locks that delete respects, listeners, usage by salt.
--
--     local l2 = weir.l2(store, { timeout = 1 })
--     local id = l2:submit_lookup_and_lock_task(keys)
--     -- when l2:lookup_event_fd() is readable, or after l2:wait "lookup":
--     local found, reply = l2:query_lookup_and_lock_result(id)
--
-- Tasks run in the host's loop, so the loop must run (weir.run, nginx, luv): polling an
-- fd outside of the loop would wait for ever. Results wait until they are fetched, each
-- once. A key is a table (l2/keys.lua) or its text.
--
-- A lock prevents a delete. Whether it survives an eviction depends on the store. Over
-- a store that answers in place (memory, and words over nothing else) a lookup keeps a
-- reference to the value, which costs no copy, and a value that is evicted meanwhile is
-- loaded from it (l2/pins.lua). Over any other store a lookup only checks that the key
-- is there: a value that is evicted before the load has a 0 in the load's bitmap, and
-- counts in stats().lost.

local Arguments = require "weir.policy.shared.arguments"
local Asking = require "weir.l2.asking"
local Bitmap = require "weir.l2.bitmap"
local Keys = require "weir.l2.keys"
local Ledger = require "weir.l2.ledger"
local Limits = require "weir.l2.limits"
local Locks = require "weir.l2.locks"
local Pins = require "weir.l2.pins"
local Store = require "weir.core.store"
local Sweep = require "weir.l2.sweep"
local Tasks = require "weir.l2.tasks"
local bytes = require "weir.core.bytes"
local count_held = require "weir.l2.held"
local host = require "weir.host"

local select_slots, good_slots = Asking.select, Asking.good

---@class weir.L2
local L2 = {}
L2.__index = L2


local ROWS = {
  { "timeout", is = "seconds" },
  { "scan", is = "boolean" },
  { "keys", is = "count", default = 65536 },
  { "pin", is = "size", default = 2 ^ 28 },
}

-- Seconds that a sweep may take in an adapter without a timeout.
local SWEEP_TIMEOUT = 5


-- A verb's reply, and the time of its request, for the ledger.
local function ask(self, verb, keys, objects, timeout)
  local asked = self.ledger:asking()
  return Asking.ask(self.store, verb, keys, objects, timeout), asked
end


-- Looks keys up for the sweep: whether it may go on.
local function find_gone(self, keys)
  if self.tasks.closed then return false end
  local timeout = self.timeout or SWEEP_TIMEOUT
  local reply, asked = ask(self, "exists_many", keys, nil, timeout)
  self.ledger:gone(select_slots(keys, reply, "miss"), asked)
  return not reply:any "error"
end


--- Makes an adapter. `timeout`: seconds that a task may take (none). `scan`: count the
--- values that the store holds already towards the usage. `keys`: how many keys the
--- usage is summed over one by one, of more a random share (65536). `pin`: bytes that
--- locks may hold of a store that answers in place ("256MiB").
---@param store weir.Store
---@param opts { timeout: weir.Seconds?, scan: boolean?, keys: integer?,
---  pin: (number|string)? }?
---@return weir.L2
function L2.new(store, opts)
  if not Store.is(store) then
    error("weir.l2 takes a store, not a " .. type(store), 2)
  end
  local good, settings = pcall(Arguments.read, "weir.l2", ROWS, opts)
  if not good then error(settings, 2) end
  local self = setmetatable({
    store = store, timeout = settings.timeout,
    tasks = Tasks.new { "store", "lookup", "load" },
    locks = Locks.new(), ledger = Ledger.new(settings.keys), deleting = {},
    pins = Pins.new(settings.pin), lost = 0,
  }, L2)
  self.sweep = Sweep.new(self.ledger.known, function(keys)
    return find_gone(self, keys)
  end)
  if settings.scan then count_held(store, self.ledger, settings.timeout, 2) end
  return self
end


-- Checks objects[i] by check(object, level), at the caller of the adapter.
local function check_all(what, objects, keys, check)
  if type(objects) ~= "table" or #objects ~= #keys then
    error(("%d keys need a list of as many %s"):format(#keys, what), 3)
  end
  local checked = {}
  for i, object in ipairs(objects) do checked[i] = check(object, 3) end
  return checked
end


-- ---- store ----

-- The keys have other values now: no load may read the ones before.
local function renew_pins(self, keys, timeout)
  local locked = {}
  for _, key in ipairs(keys) do
    self.pins:release(key)
    if self.locks:count(key) > 0 then locked[#locked + 1] = key end
  end
  if #locked == 0 or not self.store.immediate then return end
  local reply = ask(self, "get_many", locked, nil, timeout)
  self.pins:take(locked, reply, self.locks)
end


local function store(self, keys, values, timeout)
  local reply = ask(self, "set_many", keys, values, timeout)
  local stored, sizes = select_slots(keys, reply, "ok", function(i)
    return #values[i]
  end)
  self.ledger:stored(stored, sizes)
  renew_pins(self, keys, timeout)
  if self.sweep:stored(#stored) then self.tasks:start(self.sweep.run, self.sweep) end
  return good_slots(reply), reply
end


--- Stores objects[i] (a string, Value, array of bytes or { pointer, size }) under
--- keys[i]. Returns the task's id, or nil and why.
---@return integer? id, weir.Error? err
function L2:submit_store_task(keys, objects, opts)
  local texts = Keys.encode_all(keys, 2)
  local values = check_all("objects", objects, texts, bytes.value)
  local timeout = Limits.timeout(opts, self.timeout, 2)
  return self.tasks:submit("store", store, self, texts, values, timeout)
end


--- The store tasks that have ended since the last call.
---@return { id: integer, bitmap: weir.l2.Bitmap, reply: weir.Reply }[]
function L2:pop_completed_store_tasks()
  return self.tasks:pop "store"
end


-- ---- lookup and lock ----

-- Locks the keys until it is known which of them are there. Returns those that are
-- being deleted: they count as not found, whatever the store replies. A delete that
-- comes later finds them locked.
local function begin_lookup(self, keys)
  local doomed = {}
  for _, key in ipairs(keys) do
    self.locks:begin(key)
    doomed[key] = self.deleting[key]
  end
  return doomed
end


local function lookup(self, keys, doomed, timeout)
  local verb = self.store.immediate and "get_many" or "exists_many"
  local reply, asked = ask(self, verb, keys, nil, timeout)
  local bitmap = Bitmap.new(#keys)
  for i, key in ipairs(keys) do
    local there = reply[i] == "ok" and not doomed[key]
    if self.locks:settle(key, there) then bitmap:set(i) end
  end
  self.pins:take(keys, reply, self.locks)
  self.ledger:gone(select_slots(keys, reply, "miss"), asked)
  return bitmap, reply
end


--- Looks up which keys are there and locks those: they cannot be deleted until they
--- were unlocked as often as they were found. Returns the task's id. `layouts` is
--- LMCache's group_layout_descs. It may be left out: then the options stand there.
---@param keys (weir.l2.Key|string)[]
---@param layouts any
---@param opts { timeout: weir.Seconds? }?
---@return integer? id, weir.Error? err
function L2:submit_lookup_and_lock_task(keys, layouts, opts)
  local texts = Keys.encode_all(keys, 2)
  local timeout = Limits.timeout(Limits.of_lookup(layouts, opts), self.timeout, 2)
  local doomed = not self.tasks.closed and begin_lookup(self, texts) or nil
  return self.tasks:submit("lookup", lookup, self, texts, doomed, timeout)
end


--- The keys found and locked. nil before the task has ended, and after the first call.
---@return weir.l2.Bitmap?, weir.Reply?
function L2:query_lookup_and_lock_result(id)
  return self.tasks:fetch("lookup", id)
end


--- Takes one lock off each key.
function L2:submit_unlock(keys)
  for _, key in ipairs(Keys.encode_all(keys, 2)) do
    self.locks:release(key)
    if self.locks:count(key) == 0 then self.pins:release(key) end
  end
end


-- ---- load ----

-- Counts the slots whose key is locked and gone for good.
local function count_lost(self, keys, reply)
  for i, key in ipairs(keys) do
    local lost = reply[i] == "miss" and self.locks:count(key) > 0
    self.lost = self.lost + (lost and 1 or 0)
  end
end


local function load_into(self, keys, buffers, timeout)
  local reply, asked = ask(self, "get_into_many", keys, buffers, timeout)
  local read, sizes = select_slots(keys, reply, "ok", function(i)
    return reply:size(i)
  end)
  self.ledger:accessed(read, sizes, asked)
  self.ledger:gone(select_slots(keys, reply, "miss"), asked)
  self.ledger:tell("accessed", self.pins:read(keys, buffers, reply))
  count_lost(self, keys, reply)
  return good_slots(reply), reply
end


--- Reads keys[i] into buffers[i], which are lent until the result is there. Returns
--- the task's id.
---@return integer? id, weir.Error? err
function L2:submit_load_task(keys, buffers, opts)
  local texts = Keys.encode_all(keys, 2)
  check_all("buffers", buffers, texts, bytes.buffer)
  local timeout = Limits.timeout(opts, self.timeout, 2)
  return self.tasks:submit("load", load_into, self, texts, buffers, timeout)
end


--- The keys that were read, once. reply:size(i) is the size of a value.
---@return weir.l2.Bitmap?, weir.Reply?
function L2:query_load_result(id)
  return self.tasks:fetch("load", id)
end


-- ---- delete ----

local function mark(self, keys, by)
  for _, key in ipairs(keys) do
    local n = (self.deleting[key] or 0) + by
    self.deleting[key] = n > 0 and n or nil
  end
end


-- Deletes the keys, then removes their marks.
local function remove(self, keys, timeout)
  local reply, asked = ask(self, "delete_many", keys, nil, timeout)
  mark(self, keys, -1)
  self.ledger:gone(select_slots(keys, reply, "ok"), asked)
  self.ledger:gone(select_slots(keys, reply, "miss"), asked)
  return reply
end


--- Deletes the keys that are not locked, and waits for it. Returns for each key
--- "locked", or the status of its delete.
---@return string[]
function L2:delete(keys, opts)
  local timeout = Limits.timeout(opts, self.timeout, 2)
  local outcome, free, slots = {}, {}, {}
  for i, key in ipairs(Keys.encode_all(keys, 2)) do
    if self.locks:count(key) > 0 then
      outcome[i] = "locked"
    else
      free[#free + 1], slots[#slots + 1] = key, i
    end
  end
  mark(self, free, 1)
  -- A task of its own: the caller may be killed while it waits.
  local _, reply = assert(host.join(host.spawn(remove, self, free, timeout)))
  for j = 1, #free do outcome[slots[j]] = reply[j] end
  return outcome
end


-- ---- the rest ----

--- Calls listener.stored(keys, sizes), .accessed, .deleted (any of them) after such
--- an event, with the texts of the keys.
function L2:listen(listener)
  self.ledger:listen(listener)
end


--- The bytes stored by salt, "" for keys without one. It is an estimate, since a store
--- does not tell about evictions and expiry. For each key that is stored two known ones
--- are looked up (l2/sweep.lua): while values of one size come and go, the sum is at
--- least the bytes that were stored here and are held, and at most twice that, plus
--- eight values. A value that is evicted stays counted until something is stored,
--- looked up or loaded. Over `keys` keys it is the sum of a random share
--- (l2/known.lua): at 65536 it is off by less than 1.2 % of equal sizes 19 times in 20,
--- for a tenant that has a hundredth of the keys by less than 12 %.
---@return table<string, number>
function L2:usage()
  return self.ledger.known:usage()
end


--- Statistics: `known`: keys of the usage, each standing for `weight`. `locked`: locked
--- keys. `pinned`, `pinned_bytes`: values held by locks. `unpinned`: values that had no
--- room there. `lost`: slots of loads whose key was locked and gone. `failures`: errors
--- of listeners.
---@return table<string, number>
function L2:stats()
  local known, pins = self.ledger.known, self.pins
  return {
    known = known.n, weight = known.weight, locked = self.locks:keys(),
    pinned = pins.n, pinned_bytes = pins.bytes, unpinned = pins.refused,
    lost = self.lost, failures = self.ledger.failures,
  }
end


--- Each fd is readable while results of its kind wait. Only poll them.
---@return integer
function L2:store_event_fd() return self.tasks.events.store.fd end

---@return integer
function L2:lookup_event_fd() return self.tasks.events.lookup.fd end

---@return integer
function L2:load_event_fd() return self.tasks.events.load.fd end


--- Waits until a result of a kind ("store", "lookup", "load") is there: true. After
--- `timeout` seconds: false.
---@param kind string
---@param timeout number?
---@return boolean
function L2:wait(kind, timeout)
  return self.tasks:wait(kind, timeout)
end


--- Accepts no more tasks, waits for those that run, closes the fds. Results can still
--- be fetched. The store stays open. A second close does nothing.
---@param timeout number? seconds (5)
---@return boolean? closed, weir.Error? err
function L2:close(timeout)
  local closed, err = self.tasks:close(timeout or 5)
  if closed then self.pins:clear() end
  return closed, err
end


return L2
