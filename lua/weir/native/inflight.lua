-- native/inflight.lua: the batches in flight. Each host has one completion queue. Each
-- batch in flight has a record that keeps the batch, the request (keys, values,
-- buffers) and the waiter alive until the batch is drained. The reply is made when it
-- is drained, since on some hosts a waiter vanishes without notice. Then the collector
-- frees the reply. The end of a store's close comes the same way, as a batch without a
-- request, and so do the events of a store (watching.lua). Used by native.lua.

local ffi = require "ffi"
local Batch = require "weir.native.batch"
local Host = require "weir.host"
local Op = require "weir.core.op"
local Watching = require "weir.native.watching"
local C = require("weir.ffi").C

local InFlight = {}

-- Seconds after its deadline in which a batch may still complete by itself.
local GRACE = 0.02

local EAGAIN, ENOMEM = 11, 12

-- The most batches that one drain returns.
local MAX = 64
local drained = ffi.new("struct weir_batch *[?]", MAX)
local cq_slot = ffi.new "struct weir_cq *[1]"

local records, ids = {}, 0 -- what is in flight, by the batch's tag
local free_ids, n_free = {}, 0

-- The queue of each host, for as long as the host exists.
local queues = setmetatable({}, { __mode = "k" })


local function enter(record)
  local id
  if n_free > 0 then
    id = free_ids[n_free]
    n_free = n_free - 1
  else
    ids = ids + 1
    id = ids
  end
  records[id] = record
  record.batch.tag = id
  return id
end


local function leave(id)
  records[id] = nil
  n_free = n_free + 1
  free_ids[n_free] = id
end


local function complete(id)
  local record = records[id]
  leave(id)
  if not record.abandoned then
    record.reply = record.req and Batch.unload(record.batch, record.req, record.name)
      or record.batch.error.code
    record.host.wake(record.waiter)
  end
  Batch.put(record.batch)
end


local function drain(cq)
  local n
  repeat
    n = C.weir_cq_drain(cq, drained, MAX)
    for i = 0, n - 1 do
      local tag = tonumber(drained[i].tag)
      if not Watching.drained(tag) then complete(tag) end
    end
  until n < MAX
end


-- Frees the batches that are in flight to a queue. The runtime frees each when it ends.
local function disown(queue)
  for id, record in pairs(records) do
    if record.queue == queue then
      leave(id)
      Batch.free(record.batch)
    end
  end
end


local function new_queue(host)
  if C.weir_cq_new(cq_slot) < 0 then return nil end
  local cq = cq_slot[0]
  local queue = { cq = cq, fd = C.weir_cq_fd(cq), pid = C.weir_getpid() }
  function queue.drain() drain(cq) end
  function queue.pending() return tonumber(C.weir_cq_pending(cq)) end
  function queue.close()
    if queues[host] == queue then queues[host] = nil end
    host.detach(queue)
    drain(cq)
    Watching.close(queue, "the host of the store has ended")
    disown(queue)
    C.weir_cq_free(cq)
  end
  host.attach(queue)
  queues[host] = queue
  return queue
end


-- Nobody reads the events of stores that are watched under a host that rests.
Host.on_rest(function(host)
  local queue = queues[host]
  if queue then Watching.close(queue, "the host that reads its events rests") end
end)


-- The queue of a host. After a fork a process must not use its parent's queue. pid: of
-- the process that opened the store, which may be a parent: such a store refuses.
local function queue_of(host, pid)
  local queue = queues[host]
  if queue and (queue.pid == pid or queue.pid == C.weir_getpid()) then return queue end
  return new_queue(host)
end


-- Takes back the caller's memory. Items that were only queued have completed after the
-- cancel, with their statuses.
local function abandon(record)
  C.weir_batch_cancel(record.batch)
  record.queue.drain()
  if record.reply then return end
  C.weir_batch_abandon(record.batch)
  record.abandoned = true
end


--- Submits a filled batch and waits for its reply. The batch goes back to the pool.
--- timeout: the seconds left, or nil. nil and "late": the batch is still in flight, and
--- no longer the caller's. nil, "cannot", why: nothing can wait here.
function InFlight.run(store, batch, req, timeout)
  local host = Host.current()
  local able, why = host.can_park()
  local queue = able and queue_of(host, store.pid)
  if not queue then
    Batch.put(batch)
    return nil, "cannot", why or "out of file descriptors"
  end
  if store.listeners then Watching.ensure(store, queue) end
  local record = {
    batch = batch, req = req, name = store.name, host = host, queue = queue,
    waiter = host.prepare(),
  }
  local id = enter(record)
  if C.weir_submit(store.handle, queue.cq, batch) ~= 0 then
    leave(id)
    local reply = Batch.unload(batch, req, store.name)
    Batch.put(batch)
    return reply
  end
  local woken, reason = host.park(record.waiter, timeout and timeout + GRACE)
  if not woken and not record.reply then abandon(record) end
  if reason == "killed" then error(Host.KILLED, 0) end
  return record.reply, "late"
end


-- Begins to close a store where nothing can wait. The close goes on by itself.
local function close_unattended(store, batch, deadline_ns, mode)
  local rc = C.weir_cq_new(cq_slot)
  if rc < 0 then return rc end
  rc = C.weir_close_begin(store.handle, cq_slot[0], batch, deadline_ns, mode)
  Batch.free(batch)
  C.weir_cq_free(cq_slot[0])
  return rc
end


-- Returns the record of a close that has begun, or a negative errno.
local function begin_close(store, batch, deadline_ns, mode)
  local host = Host.current()
  local queue = host.can_park() and queue_of(host, store.pid)
  if not queue then return close_unattended(store, batch, deadline_ns, mode) end
  local record = { batch = batch, host = host, queue = queue, waiter = host.prepare() }
  local id = enter(record)
  local rc = C.weir_close_begin(store.handle, queue.cq, batch, deadline_ns, mode)
  if rc == 0 then return record end
  leave(id)
  Batch.put(batch)
  return rc
end


--- Begins to close a store. Returns a function that waits for the end and returns 0 or
--- a negative errno. Where nothing can wait it returns 0 at once. If there is no thread
--- that can close the store, it blocks.
function InFlight.close(store, deadline_ns, mode)
  local batch = Batch.take(1)
  C.weir_batch_reset(batch, Op.number.get, 0)
  local begun = begin_close(store, batch, deadline_ns, mode)
  if type(begun) == "table" then
    return function()
      if begun.reply then return begun.reply end
      local _, reason = begun.host.park(begun.waiter)
      if begun.reply then return begun.reply end
      begun.abandoned = true
      error(reason == "killed" and Host.KILLED or reason, 0)
    end
  end
  local rc = begun
  if rc == -EAGAIN or rc == -ENOMEM then
    rc = C.weir_close(store.handle, deadline_ns, mode)
  end
  return function() return rc end
end


--- Runs fn(arg), a function of C, on a thread of the runtime and waits for its end:
--- true. false: nothing can wait here, or there is no thread. `keep` stays alive until
--- the end, also if the task is killed meanwhile.
function InFlight.job(fn, arg, keep)
  local host = Host.current()
  local queue = host.can_park() and queue_of(host, C.weir_getpid())
  if not queue then return false end
  local batch = Batch.take(1)
  C.weir_batch_reset(batch, Op.number.get, 0)
  local record = { batch = batch, host = host, queue = queue, keep = keep,
    waiter = host.prepare() }
  local id = enter(record)
  if C.weir_job_start(queue.cq, batch, fn, arg) < 0 then
    leave(id)
    Batch.put(batch)
    return false
  end
  local _, reason = host.park(record.waiter)
  if record.reply then return true end
  record.abandoned = true
  error(reason == "killed" and Host.KILLED or reason, 0)
end


--- How many batches are in flight.
function InFlight.count()
  local n = 0
  for _ in pairs(records) do n = n + 1 end
  return n
end


-- When the Lua state closes, the queues are freed. From then on the runtime does not
-- touch the memory of Lua.
InFlight.guard = ffi.gc(ffi.new "char[1]", function()
  for _, queue in pairs(queues) do C.weir_cq_free(queue.cq) end
end)


return InFlight
