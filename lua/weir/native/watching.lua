-- native/watching.lua: the watches of C stores (weir_watch_new): events on their way to
-- the listeners of a store. A watch needs a completion queue, so it is made when a
-- request first waits for the store under a host. Used by inflight.lua and native.lua.

local ffi = require "ffi"
local Host = require "weir.host"
local C = require("weir.ffi").C

local Watching = {}

-- The tags of watches. Those of batches in flight are below.
local FIRST = 2 ^ 52
local tags = FIRST

local AT_ONCE = 256 -- events of one read
local KEYS = 1024 -- keys told at once
local events = ffi.new("struct weir_event[?]", AT_ONCE)
local watch_slot = ffi.new "struct weir_watch *[1]"
local failure = ffi.new "struct weir_error"

local CHANGED, LOST = C.WEIR_EVENT_CHANGED, C.WEIR_EVENT_LOST
local ENOTSUP = 95

-- The watched store of each tag. The collector may close a store that is watched.
local stores = setmetatable({}, { __mode = "v" })


--- Whether the store can tell of changes; nil, and why not.
function Watching.able(store)
  if C.weir_store_can_watch(store.handle, failure) == 0 then return true end
  return nil, ffi.string(failure.message)
end


-- Tells the listeners of a store. An error of one must not keep later events from the
-- others, nor other batches from their tasks.
local function tell(store, event, what)
  local good, why = pcall(store.tell, store, event, what)
  if not good then Host.warn(store.name .. ": events: " .. tostring(why)) end
end


--- Makes the watch of a store under a queue, unless there is one. If that fails, the
--- next request tries again.
function Watching.ensure(store, queue)
  if store.watch and store.watch.queue == queue then return end
  tags = tags + 1
  local rc = C.weir_watch_new(watch_slot, store.handle, queue.cq, tags, failure)
  if rc < 0 then return end
  if store.sees then tell(store, "lost") end
  store.watch = { handle = ffi.gc(watch_slot[0], C.weir_watch_free), queue = queue }
  stores[tags] = store
  queue.watched = queue.watched or setmetatable({}, { __mode = "k" })
  queue.watched[store] = true
end


-- Why a store has no sight. That its server cannot tell of changes is said once.
local function why_blind(store)
  C.weir_store_sees(store.handle, failure)
  if failure.code == 0 then return nil end
  local why = ffi.string(failure.message)
  if failure.code == -ENOTSUP and not store.said_blind then
    store.said_blind = true
    Host.warn(why)
  end
  return why
end


local function tell_keys(store, keys)
  if #keys > 0 then tell(store, "changed", keys) end
  return {}
end


local function read(store, watch)
  local keys = {}
  repeat
    local n = C.weir_watch_read(watch, events, AT_ONCE)
    for i = 0, n - 1 do
      local event = events[i]
      if event.kind == CHANGED then
        keys[#keys + 1] = ffi.string(event.key, event.key_len)
      else
        keys = tell_keys(store, keys)
        if event.kind == LOST then
          tell(store, "lost", why_blind(store))
        else
          tell(store, "regained")
        end
      end
    end
    if n == 0 or #keys >= KEYS then keys = tell_keys(store, keys) end
  until n == 0
end


--- Reads the events that a drained batch announced. false: the tag is that of another
--- batch.
function Watching.drained(tag)
  if tag < FIRST then return false end
  local store = stores[tag]
  if not store or not store.watch then return true end
  read(store, store.watch.handle)
  return true
end


--- Ends the watches under a queue whose events are not read any more. `why` is told to
--- the listeners. Stores that are watched under another queue by now are left alone.
function Watching.close(queue, why)
  local watched = queue.watched or {}
  queue.watched = nil
  for store in pairs(watched) do
    if store.watch and store.watch.queue == queue then
      C.weir_watch_free(ffi.gc(store.watch.handle, nil))
      store.watch = nil
      tell(store, "lost", why)
    end
  end
end


return Watching
