-- flight.lua: batches on their way. Each host has one completion queue here; each
-- batch in flight has a record that keeps the batch, the request (keys, values,
-- buffers) and the waiter together until it is drained, whoever leaves meanwhile.
-- Used by native.lua.

local ffi = require "ffi"
local Batch = require "weir.batch"
local Host = require "weir.host"
local C = require("weir.ffi").C

local Flight = {}

-- How long after its deadline a batch may still answer for itself.
local GRACE = 0.02

-- Batches drained at once.
local MAX = 64
local drained = ffi.new("struct weir_batch *[?]", MAX)
local cq_slot = ffi.new "struct weir_cq *[1]"

local records, ids = {}, 0 -- what is in flight, by the batch's tag
local free_ids, n_free = {}, 0

-- The queue of each host, as long as the host lives.
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


-- A waiter can vanish, in nginx: then the batch is nobody's, too.
local function land(id)
  local record = records[id]
  leave(id)
  record.done = true
  if record.abandoned or record.host.wake(record.waiter) == false then
    Batch.put(record.batch)
  end
end


local function drain(cq)
  local n
  repeat
    n = C.weir_cq_drain(cq, drained, MAX)
    for i = 0, n - 1 do land(tonumber(drained[i].tag)) end
  until n < MAX
end


-- Lets go of what still flies to a queue: the runtime frees it as it ends.
local function disown(queue)
  for id, record in pairs(records) do
    if record.queue == queue then
      leave(id)
      record.done = true
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
    disown(queue)
    C.weir_cq_free(cq)
  end
  host.attach(queue)
  queues[host] = queue
  return queue
end


-- After a fork the parent's queue is the parent's.
local function queue_of(host, pid)
  local queue = queues[host]
  if queue and queue.pid == pid then return queue end
  return new_queue(host)
end


-- Takes the caller's memory back. What was only queued has ended by now, with
-- its answers; true then.
local function abandon(record)
  C.weir_batch_cancel(record.batch)
  record.queue.drain()
  if record.done then return true end
  C.weir_batch_abandon(record.batch)
  record.abandoned = true
  return false
end


--- Submits a filled batch and waits for it. Returns "done" when its items tell
--- what happened, "late" when it is still on its way and no longer the caller's,
--- or "cannot" and why nothing can wait here. `keep` is what its items point at;
--- `timeout` the seconds left, or nil.
function Flight.run(store, batch, keep, timeout)
  local host = Host.current()
  local able, why = host.can_park()
  if not able then return "cannot", why end
  local queue = queue_of(host, store.pid)
  if not queue then return "cannot", "out of file descriptors" end
  local record = {
    batch = batch, keep = keep, host = host, queue = queue, waiter = host.prepare(),
    done = false, abandoned = false,
  }
  local id = enter(record)
  if C.weir_submit(store.handle, queue.cq, batch) ~= 0 then
    leave(id)
    return "done"
  end
  local woken, reason = host.park(record.waiter, timeout and timeout + GRACE)
  if woken or record.done or abandon(record) then
    if reason == "killed" then
      Batch.put(batch)
      error(Host.KILLED, 0)
    end
    return "done"
  end
  if reason == "killed" then error(Host.KILLED, 0) end
  return "late"
end


--- How many batches are in flight.
function Flight.count()
  local n = 0
  for _ in pairs(records) do n = n + 1 end
  return n
end


-- When the Lua state closes, nothing may touch its memory any more; the batches
-- see to that themselves.
Flight.guard = ffi.gc(ffi.new "char[1]", function()
  for _, queue in pairs(queues) do C.weir_cq_free(queue.cq) end
end)


return Flight
