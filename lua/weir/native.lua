-- native.lua: an opened connector as a store. A request becomes a batch. Inline stores
-- answer it in place. For others the caller's coroutine parks until the batch
-- completes. Only this file and those in native/ know how Lua meets the runtime.

local ffi = require "ffi"
local Batch = require "weir.native.batch"
local Charging = require "weir.native.charging"
local Error = require "weir.core.error"
local Evicted = require "weir.native.evicted"
local Guard = require "weir.native.guard"
local InFlight = require "weir.native.inflight"
local Host = require "weir.host"
local check_method = require "weir.core.method"
local Made = require "weir.core.made"
local Op = require "weir.core.op"
local Place = require "weir.native.place"
local Reply = require "weir.core.reply"
local Request = require "weir.core.request"
local Roster = require "weir.native.roster"
local Store = require "weir.core.store"
local Value = require "weir.core.value"
local Single = require "weir.native.single"
local settings_of = require "weir.native.settings"
local Stats = require "weir.native.store_stats"
local Watching = require "weir.native.watching"
local status = require "weir.core.status"
local Trace = require "weir.observe.trace"
local C = require("weir.ffi").C

---@class weir.Native: weir.Store
local Native = setmetatable({}, { __index = Store })
Native.__index = Native
Native.__tostring = Store.__tostring

local store_slot = ffi.new "struct weir_store *[1]"
local failure = ffi.new "struct weir_error"

-- Seconds that close waits for batches in flight, unless told otherwise.
local CLOSE_TIMEOUT = 5

-- Memory of a store that the collector does not see: the buffers and stacks of its
-- threads. Charging it makes the collector close unused stores sooner.
local CHARGE = 2 * 1024 * 1024

-- An inline store has no threads.
local CHARGE_INLINE = 64 * 1024

local ECHILD = 10


-- The scheme of a target, or the connector's name. The rest may contain a secret.
local function scheme_of(target)
  return target:match "^[%w+.-]*"
end


-- Raises an error if the host knows that a store opened now could not work.
local function must_open(scheme)
  local can_open = Host.current().can_open
  if not can_open then return end
  local able, why = can_open()
  if not able then error(scheme .. ": " .. why, 0) end
end


--- Opens a connector by name or URL. Its errors have no place: words.lua adds one.
---@param target string "memory", "fs:///var/cache?sync=data"
---@param options table?
---@return weir.Native
function Native.open(target, options)
  local scheme = scheme_of(target)
  must_open(scheme)
  local settings, n, keep = settings_of(target, options or {})
  local room, why = Roster.has_room(target, keep[1], keep[2])
  if not room then error(scheme .. ": " .. why, 0) end
  local rc = C.weir_open(store_slot, target, settings, n, failure)
  if rc < 0 then error(ffi.string(failure.message), 0) end
  local handle = ffi.gc(store_slot[0], C.weir_store_drop)
  local store = setmetatable({
    handle = handle,
    name = ffi.string(C.weir_store_name(handle)),
    immediate = C.weir_store_inline(handle) == 1,
    bounded = true,
    shared = false, -- of an inline store: its gets answer with its own values
    reuses = C.weir_store_inline(handle) == 1,
    guard = Guard.of(handle), -- nil for most
    pid = C.weir_getpid(),
    opened = { target = target, names = keep[1], values = keep[2] },
  }, Native)
  if not store.immediate then Roster.enter(store, target, keep[1], keep[2]) end
  Value.charge(store.immediate and CHARGE_INLINE or CHARGE)
  Made.announce(store)
  return store
end


local function answer_all(self, req, name, message)
  message = message and self.name .. ": " .. message or nil
  return Reply.uniform(req, name, message, self.name)
end


local LATE = { timeout = true, skipped = true, unavailable = true }


-- Gives all slots that ended by the deadline one message. The runtime's messages say
-- where each was at that time: connecting, queued, sent. What is kept of them is the
-- node of a cluster that was waited for.
local function explain_late(self, req, reply, seconds)
  if Host.now() < req.deadline then return reply end
  local late
  for i = 1, reply.n do
    if LATE[reply[i]] then
      late = true
    elseif status.class[reply[i]] == "error" then
      return reply
    end
  end
  if late then
    local node = reply.message and reply.message:match ": (node %S+: )" or ""
    reply.message = ("%s: %sno answer within %.3g s"):format(self.name, node, seconds)
    reply.store = self.name
  end
  return reply
end


-- Runs a batch on the store's workers. A get there makes new values.
local function run_queued(self, batch, req, left)
  local reply, how, why = InFlight.run(self, batch, req, left)
  if not reply then
    if how ~= "late" then return answer_all(self, req, "unsupported", why) end
    reply = answer_all(self, req, "timeout")
  end
  if Op.returns[req.op] then Value.charge(reply:bytes()) end
  return reply
end


local function run(self, req)
  local left
  if req.n == 0 then return answer_all(self, req, "ok") end
  if req.deadline then
    left = req.deadline - Host.now()
    if left <= 0 then
      return answer_all(self, req, "skipped", "the deadline had passed")
    end
  end
  local batch = Batch.take(req.n)
  Batch.load(batch, req)
  if left then batch.deadline_ns = C.weir_now() + left * 1e9 end
  if not self.immediate then
    local reply = run_queued(self, batch, req, left)
    return left and explain_late(self, req, reply, left) or reply
  end
  C.weir_submit(self.handle, nil, batch)
  local reply = Batch.unload(batch, req, self.name)
  Batch.put(batch)
  Charging.replied(self, req, reply)
  return reply
end


local function run_traced(self, req)
  local started, entry = Host.now(), req.trace:enter(self, req)
  local reply = run(self, req)
  Trace.leave(entry, req, reply, Host.now() - started)
  return reply
end


--- Runs a request; see store.lua.
function Native:run(req)
  if req.trace then return run_traced(self, req) end
  return run(self, req)
end


--- Runs some slots of a request and puts the answers into a reply of the whole request.
--- It does what placing the reply of a subset does, without making either. For inline
--- stores.
---@param req weir.Request
---@param slots ffi.cdata* slot numbers, n of them
---@param n integer
---@param reply weir.Reply
function Native:run_slots(req, slots, n, reply)
  if req.op ~= "get" or req.buffers or req.deadline and req.deadline <= Host.now() then
    local list = {}
    for i = 1, n do list[i] = slots[i - 1] end
    reply:place(self:run(req:subset(list)), list)
    return
  end
  local batch = Batch.take(n)
  Batch.load_slots(batch, req, slots, n)
  C.weir_submit(self.handle, nil, batch)
  Batch.unload_slots(batch, reply, slots, n, self.name)
  Batch.put(batch)
  Charging.placed(self, reply, slots, n)
end


--- Like Store.get_many. In an inline store looking a key up costs less than finding
--- duplicates.
function Native:get_many(keys, opts)
  local req = not opts and type(keys) == "table" and self.immediate
    and Request.plain("get", keys, #keys)
  if not req then return Store.get_many(self, keys, opts) end
  return run(self, req)
end


--- The statistics of the store: by op, in flight, sessions, and the connector's own.
---@return table
function Native:stats()
  check_method(self, "stats", 2)
  local facts = Stats.read(self)
  facts.fetch = self.loading and self.loading:tally() or nil
  return facts
end


--- What these counts are called and mean, as observe/schema.lua declares them.
function Native:stats_rows()
  return Stats.rows(self.handle)
end


--- Where the store says that a key is, or nil. For explain.
function Native:where(op, key) return Place.of(self.handle, op, key) end


--- The latencies of an op by bucket; which: "queue" or "service".
function Native:histogram(op, which)
  return Stats.histogram(self.handle, op, which)
end


--- How full the queue of an op is: 0 to 1, and 0 without a queue.
function Native:queue_fill(op)
  return C.weir_store_queue(self.handle, Op.number[op])
end


--- Whether the store can tell of changes that others make. Its events come once a
--- request has waited for it.
function Native:can_tell()
  return Watching.able(self)
end


for name, method in pairs(Evicted) do Native[name] = method end
for name, method in pairs(Single) do Native[name] = method end


-- The result of a close for the return code of the runtime.
local function closed(self, rc)
  if rc == 0 then
    self.closed = true
    return true
  end
  if rc == -ECHILD then
    return nil, Error.new("invalid", self.name .. ": opened before a fork", self.name)
  end
  return nil, Error.new("timeout", self.name .. ": a worker does not stop", self.name)
end


--- Begins to close the store. Returns a function that waits for the end.
function Native:begin_close(opts)
  if self.closed then return function() return true end end
  local drop = opts and opts.drop
  local timeout = opts and opts.timeout or drop and 0 or CLOSE_TIMEOUT
  local mode = drop and C.WEIR_CLOSE_FAIL or C.WEIR_CLOSE_DRAIN
  local deadline_ns = C.weir_now() + timeout * 1e9
  Roster.leave(self)
  if self.immediate then
    local rc = C.weir_close(self.handle, deadline_ns, mode)
    return function() return closed(self, rc) end
  end
  local wait = InFlight.close(self, deadline_ns, mode)
  return function() return closed(self, wait()) end
end


return Native
