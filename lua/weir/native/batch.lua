-- native/batch.lua: turns requests into `struct weir_batch` and back into replies.
-- Batches come from a pool. The code that submits a batch keeps the memory alive that
-- its items point at. A batch without references frees itself, since in nginx a
-- coroutine may vanish while it holds one. Used by native.lua.

local ffi = require "ffi"
local Op = require "weir.core.op"
local Reply = require "weir.core.reply"
local status = require "weir.core.status"
local C = require("weir.ffi").C

local cast, ffi_gc = ffi.cast, ffi.gc
local char_ptr = ffi.typeof "char *"
local GET = Op.number.get
local NAMES, OK, TOOBIG = status.names, status.number.ok, status.number.toobig

local Batch = {}

-- Batches are pooled by capacity; a larger request gets one of its own.
local LARGEST = 4096
local SPARE = 64 -- kept per capacity, at most

local pool = {}
for _, capacity in ipairs { 1, 8, 64, 512, LARGEST } do pool[capacity] = { n = 0 } end


local function class_of(n)
  if n <= 8 then return n == 1 and 1 or 8 end
  if n <= 64 then return 64 end
  return n <= 512 and 512 or n <= LARGEST and LARGEST or n
end


--- Returns a batch for n items.
function Batch.take(n)
  local capacity = class_of(n)
  local spare = pool[capacity]
  if spare and spare.n > 0 then
    local batch = spare[spare.n]
    spare.n = spare.n - 1
    return batch
  end
  local batch = C.weir_batch_new(capacity)
  if batch == nil then error "weir: out of memory" end
  return ffi_gc(batch, C.weir_batch_free)
end


--- Frees a batch. If it is in flight the runtime frees it when it ends.
function Batch.free(batch)
  C.weir_batch_free(ffi_gc(batch, nil))
end


--- Puts a batch that is not in flight back into the pool, and drops the values that it
--- owns.
function Batch.put(batch)
  if batch.n > 0 then C.weir_batch_reset(batch, batch.op, 0) end
  local spare = pool[batch.capacity]
  if not spare or spare.n >= SPARE then return Batch.free(batch) end
  spare.n = spare.n + 1
  spare[spare.n] = batch
end


--- Gives an item of a set its value: a reference, or the address of the bytes.
function Batch.store(item, bytes)
  if type(bytes) == "string" then
    item.data, item.size = cast(char_ptr, bytes), #bytes
  elseif bytes.ref ~= nil then
    item.value = C.weir_value_ref(bytes.ref)
  else
    item.data, item.size = cast(char_ptr, bytes.data), bytes.size
  end
end


local function milliseconds(seconds)
  return seconds and math.ceil(seconds * 1000) or 0
end


local function load_values(items, req)
  local ttl, ttls = milliseconds(req.ttl), req.ttls
  for i = 1, req.n do
    Batch.store(items[i - 1], req.values[i])
    items[i - 1].ttl_ms = ttls and milliseconds(req:ttl_of(i)) or ttl
  end
end


local function load_tickets(items, req)
  for i = 1, req.tickets and req.n or 0 do
    local item = items[i - 1]
    item.flags, item.cursor = C.WEIR_ITEM_TICKET, req.tickets[i]
  end
end


local function load_set(items, req)
  load_values(items, req)
  load_tickets(items, req)
end


local function load_times(items, req)
  for i = 1, req.n do items[i - 1].ttl_ms = milliseconds(req:ttl_of(i)) end
end


local function load_buffers(items, req)
  if not req.buffers then return end
  for i = 1, req.n do
    local item = items[i - 1]
    item.data, item.cap = cast(char_ptr, req.buffers[i]), req.caps[i]
  end
end


local function load_numbers(items, req)
  for i = 1, req.n do items[i - 1].number = req.numbers[i] end
end


local load_op = {
  set = load_set,
  delete = load_tickets,
  add = load_values,
  replace = load_values,
  append = load_values,
  cas = function(items, req)
    load_values(items, req)
    load_numbers(items, req)
  end,
  incr = function(items, req)
    load_times(items, req)
    load_numbers(items, req)
  end,
  touch = load_times,
  gat = function(items, req)
    load_times(items, req)
    load_buffers(items, req)
  end,
  get = load_buffers,
  take = load_buffers,
  scan = function(items, req)
    for i = 1, req.n do
      items[i - 1].cap = req.page or 0
      items[i - 1].cursor = req.cursors and req.cursors[i] or 0
    end
  end,
}


-- Buffer in which keys are joined with their prefix. The runtime copies the keys at
-- submit.
local joined, room = nil, 0

local function load_joined(items, front, keys, n)
  local size, length = 0, #front
  for i = 1, n do size = size + length + #keys[i] end
  if size > room then
    room = 2 * size
    joined = ffi.new("char[?]", room)
  end
  local at = 0
  for i = 1, n do
    local item, key = items[i - 1], keys[i]
    local here = joined + at
    ffi.copy(here, front, length)
    ffi.copy(here + length, key, #key)
    item.key, item.key_len = here, length + #key
    at = at + length + #key
  end
end


--- Fills a batch from a request.
function Batch.load(batch, req)
  local n, keys = req.n, req.keys
  C.weir_batch_reset(batch, Op.number[req.op], n)
  local items = batch.items
  if req.front then
    load_joined(items, req.front, keys, n)
  else
    for i = 1, n do
      local item, key = items[i - 1], keys[i]
      item.key, item.key_len = key, #key
    end
  end
  local more = load_op[req.op]
  if more then more(items, req) end
end


local function note_sizes(items, reply)
  local sizes = {}
  for i = 1, reply.n do
    local item = items[i - 1]
    if item.status == OK or item.status == TOOBIG then
      sizes[i] = tonumber(item.size)
    end
  end
  reply.sizes = sizes
end


local function note_ttls(items, reply)
  local ttls = {}
  for i = 1, reply.n do
    local left = tonumber(items[i - 1].ttl_ms)
    if left > 0 then ttls[i] = left / 1000 end
  end
  reply.ttls = ttls
end


-- Below this every integer is a Lua number. 2^53 + 1 is rounded to 2^53.
local EXACT = 2 ^ 53

local function note_numbers(items, reply)
  local numbers = {}
  for i = 1, reply.n do
    local item = items[i - 1]
    if item.status == OK then
      local number = item.number
      local plain = tonumber(number)
      numbers[i] = math.abs(plain) < EXACT and plain or number
    end
  end
  reply.numbers = numbers
end


-- Writes the names of the statuses into the reply. good: how many slots are ok.
local function name_statuses(items, reply, good)
  local n = reply.n
  reply.good = good
  if n == 1 then
    -- Without a loop, which LuaJIT would compile apart from what is around it.
    reply[1] = NAMES[items[0].status]
  elseif good == n then
    for i = 1, n do reply[i] = "ok" end
  else
    for i = 1, n do reply[i] = NAMES[items[i - 1].status] end
  end
end


local function count_good(items, n)
  local good = 0
  for i = 0, n - 1 do
    if items[i].status == OK then good = good + 1 end
  end
  return good
end


local function note_cursors(items, reply)
  local cursors = {}
  for i = 1, reply.n do
    if items[i - 1].cursor ~= 0 then cursors[i] = items[i - 1].cursor end
  end
  reply.cursors = cursors
end


--- Makes a reply of a finished batch.
function Batch.unload(batch, req, store)
  local reply, items, op = Reply.new(req), batch.items, req.op
  if Op.returns[op] and not req.buffers then
    if Op.prefix[op] then note_cursors(items, reply) end
    name_statuses(items, reply, C.weir_batch_take(batch, reply:room().at, nil))
  else
    name_statuses(items, reply, count_good(items, reply.n))
    if req.buffers or op == "stat" then note_sizes(items, reply) end
    if op == "stat" then note_ttls(items, reply) end
    if Op.numbers[op] then note_numbers(items, reply) end
  end
  if batch.errors > 0 then
    reply.store = store
    if batch.error.message[0] ~= 0 then
      reply.message = ffi.string(batch.error.message)
    end
  end
  return reply
end


--- Fills a batch with some keys of a get.
function Batch.load_slots(batch, req, slots, n)
  C.weir_batch_reset(batch, GET, n)
  local items, keys = batch.items, req.keys
  for i = 0, n - 1 do
    local item, key = items[i], keys[slots[i]]
    item.key, item.key_len = key, #key
  end
end


--- Puts the answers of such a batch into their slots of a reply.
function Batch.unload_slots(batch, reply, slots, n, store)
  local items = batch.items
  if C.weir_batch_take(batch, reply:room().at, slots) == n then
    for i = 0, n - 1 do reply[slots[i]] = "ok" end
  else
    for i = 0, n - 1 do reply[slots[i]] = NAMES[items[i].status] end
  end
  if batch.errors > 0 then
    local message = ffi.string(batch.error.message)
    reply:explain_errors(slots, n, message ~= "" and message or nil, store)
  end
end


return Batch
