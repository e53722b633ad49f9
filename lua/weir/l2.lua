-- l2.lua: the ancestor's multi-process interface (its L2 adapter) over any store:
-- tasks with ids, three fds that say which kind has results, a bitmap a task,
-- locks that delete honours, listeners, usage by salt.
--
--     local l2 = weir.l2(store, { timeout = 1 })
--     local id = l2:submit_lookup_and_lock_task(keys)
--     -- when l2:lookup_event_fd() is readable, or after l2:wait "lookup":
--     local found, reply = l2:query_lookup_and_lock_result(id)
--
-- Tasks run in the host's loop, so something must run it (weir.run, nginx, luv):
-- whoever polls an fd outside of the loop waits in vain. Results wait until they
-- are fetched, each once. A key is a table (l2/keys.lua) or its text.

local Bitmap = require "weir.l2.bitmap"
local Keys = require "weir.l2.keys"
local Ledger = require "weir.l2.ledger"
local Locks = require "weir.l2.locks"
local Reply = require "weir.reply"
local Tasks = require "weir.l2.tasks"
local bytes = require "weir.bytes"
local host = require "weir.host"

---@class weir.L2
local L2 = {}
L2.__index = L2


--- Makes an adapter. `timeout`: seconds that a task may take (none); `scan`: count
--- what the store holds already towards the usage.
---@param store weir.Store
---@param opts { timeout: number?, scan: boolean? }?
---@return weir.L2
function L2.new(store, opts)
  local self = setmetatable({
    store = store, timeout = opts and opts.timeout,
    tasks = Tasks.new { "store", "lookup", "load" },
    locks = Locks.new(), ledger = Ledger.new(), deleting = {},
  }, L2)
  if opts and opts.scan then
    for key, info in store:scan {} do self.ledger:note(key, info.size or 0) end
  end
  return self
end


-- ---- asking the store ----

-- A verb's reply, and what the ledger is told with it; what the verb raises becomes
-- the answer of every slot, so that every task ends with a result.
local function ask(self, verb, keys, objects, opts)
  local timeout = opts and opts.timeout or self.timeout
  local limits = timeout and { timeout = timeout } or nil
  local asked = self.ledger:asking()
  local good, reply
  if objects then
    good, reply = pcall(self.store[verb], self.store, keys, objects, limits)
  else
    good, reply = pcall(self.store[verb], self.store, keys, limits)
  end
  if good then return reply, asked end
  local failed = Reply.new(#keys)
  for i = 1, #keys do failed:set(i, "failed", { message = tostring(reply) }) end
  return failed, asked
end


-- The keys of the slots with a status, and what measure(i) says of each.
local function select_slots(keys, reply, status, measure)
  local some, sizes = {}, {}
  for i, key in ipairs(keys) do
    if reply[i] == status then
      some[#some + 1] = key
      sizes[#sizes + 1] = measure and measure(i)
    end
  end
  return some, sizes
end


local function good_slots(reply)
  local bitmap = Bitmap.new(#reply)
  for i = 1, #reply do
    if reply[i] == "ok" then bitmap:set(i) end
  end
  return bitmap
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

local function store(self, keys, values, opts)
  local reply = ask(self, "set_many", keys, values, opts)
  self.ledger:stored(select_slots(keys, reply, "ok", function(i) return #values[i] end))
  return good_slots(reply), reply
end


--- Stores objects[i] (a string, Value, array of bytes or { pointer, size }) under
--- keys[i]. Returns the task's id, or nil and why.
---@return integer? id, weir.Error? err
function L2:submit_store_task(keys, objects, opts)
  local texts = Keys.encode_all(keys, 2)
  local values = check_all("objects", objects, texts, bytes.value)
  return self.tasks:submit("store", store, self, texts, values, opts)
end


--- The store tasks that have ended since the last call.
---@return { id: integer, bitmap: weir.l2.Bitmap, reply: weir.Reply }[]
function L2:pop_completed_store_tasks()
  return self.tasks:pop "store"
end


-- ---- lookup and lock ----

-- Locks the keys until it is known which of them are there. Returns those that
-- are being deleted: whatever the store answers, they are not found. A delete that
-- comes later finds them locked.
local function begin_lookup(self, keys)
  local doomed = {}
  for _, key in ipairs(keys) do
    self.locks:begin(key)
    doomed[key] = self.deleting[key]
  end
  return doomed
end


local function lookup(self, keys, doomed, opts)
  local reply, asked = ask(self, "exists_many", keys, nil, opts)
  local bitmap = Bitmap.new(#keys)
  for i, key in ipairs(keys) do
    local there = reply[i] == "ok" and not doomed[key]
    if self.locks:settle(key, there) then bitmap:set(i) end
  end
  self.ledger:gone(select_slots(keys, reply, "miss"), asked)
  return bitmap, reply
end


--- Asks which keys are there and locks those: they cannot be deleted until they
--- were unlocked as often as they were found. Returns the task's id.
---@return integer? id, weir.Error? err
function L2:submit_lookup_and_lock_task(keys, opts)
  local texts = Keys.encode_all(keys, 2)
  local doomed = not self.tasks.closed and begin_lookup(self, texts) or nil
  return self.tasks:submit("lookup", lookup, self, texts, doomed, opts)
end


--- The keys found and locked, once; nil before the task ended and after.
---@return weir.l2.Bitmap?, weir.Reply?
function L2:query_lookup_and_lock_result(id)
  return self.tasks:fetch("lookup", id)
end


--- Takes one lock off each key.
function L2:submit_unlock(keys)
  for _, key in ipairs(Keys.encode_all(keys, 2)) do self.locks:release(key) end
end


-- ---- load ----

local function load_into(self, keys, buffers, opts)
  local reply, asked = ask(self, "get_into_many", keys, buffers, opts)
  local read, sizes = select_slots(keys, reply, "ok", function(i)
    return reply:size(i)
  end)
  self.ledger:accessed(read, sizes, asked)
  self.ledger:gone(select_slots(keys, reply, "miss"), asked)
  return good_slots(reply), reply
end


--- Reads keys[i] into buffers[i], which are lent until the result is there. Returns
--- the task's id.
---@return integer? id, weir.Error? err
function L2:submit_load_task(keys, buffers, opts)
  local texts = Keys.encode_all(keys, 2)
  check_all("buffers", buffers, texts, bytes.buffer)
  return self.tasks:submit("load", load_into, self, texts, buffers, opts)
end


--- The keys that were read, once; reply:size(i) says how much.
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


-- Takes the marks off when it is known what became of the keys.
local function remove(self, keys, opts)
  local reply, asked = ask(self, "delete_many", keys, nil, opts)
  mark(self, keys, -1)
  self.ledger:gone(select_slots(keys, reply, "ok"), asked)
  self.ledger:gone(select_slots(keys, reply, "miss"), asked)
  return reply
end


--- Deletes the keys that are not locked, and waits for it. Returns what became of
--- each: "locked", or the status of its delete.
---@return string[]
function L2:delete(keys, opts)
  local outcome, free, slots = {}, {}, {}
  for i, key in ipairs(Keys.encode_all(keys, 2)) do
    if self.locks:count(key) > 0 then
      outcome[i] = "locked"
    else
      free[#free + 1], slots[#slots + 1] = key, i
    end
  end
  mark(self, free, 1)
  -- A task of its own: the caller may vanish while it waits.
  local _, reply = assert(host.join(host.spawn(remove, self, free, opts)))
  for j = 1, #free do outcome[slots[j]] = reply[j] end
  return outcome
end


-- ---- the rest ----

--- Calls listener.stored(keys, sizes), .accessed, .deleted (any of them) after such
--- an event, with the texts of the keys.
function L2:listen(listener)
  self.ledger:listen(listener)
end


--- The bytes stored by salt, "" for keys without one.
---@return table<string, number>
function L2:usage()
  return self.ledger:usage()
end


--- Each fd is readable while results of its kind wait. Only poll them.
---@return integer
function L2:store_event_fd() return self.tasks.events.store.fd end

---@return integer
function L2:lookup_event_fd() return self.tasks.events.lookup.fd end

---@return integer
function L2:load_event_fd() return self.tasks.events.load.fd end


--- Waits until a result of a kind ("store", "lookup", "load") is there: true; or for
--- `timeout` seconds: false.
---@param kind string
---@param timeout number?
---@return boolean
function L2:wait(kind, timeout)
  return self.tasks:wait(kind, timeout)
end


--- Takes no more tasks, waits for those that run, closes the fds. Results can still
--- be fetched; the store stays open. A second close does nothing.
---@param timeout number? seconds (5)
---@return boolean? closed, weir.Error? err
function L2:close(timeout)
  return self.tasks:close(timeout or 5)
end


return L2
