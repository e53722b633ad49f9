-- serve/runs.lua: batches of the listener through trees of policies. A run of commands
-- of one op comes as a batch in C; it becomes a request, and what the reply says goes
-- back into the batch's items. Databases whose root is a C store never come by here.

local ffi = require "ffi"
local Items = require "weir.native.items"
local Op = require "weir.core.op"
local Request = require "weir.core.request"
local status = require "weir.core.status"
local Value = require "weir.core.value"
local C = require("weir.ffi").C

local new_table = require "table.new"
local ffi_string = ffi.string
local NUMBER, class = status.number, status.class
local PENDING = C.WEIR_PENDING

local Runs = {}

local WORDS_ROOM = ffi.sizeof(ffi.new "struct weir_error".message) - 1


-- What an item sets: large values are references, small ones strings.
local function value_of(item)
  local pointer = item.value
  if pointer == nil then return ffi_string(item.data, item.size) end
  item.value = nil
  Value.charge(tonumber(item.size))
  return Value.own(pointer)
end


-- The request of a get of which the listener has answered some keys, and where the
-- others are in the batch.
local function load_rest(batch)
  local items, slots, keys, n = batch.items, {}, {}, 0
  for i = 0, batch.n - 1 do
    local item = items[i]
    if item.status == PENDING then
      n = n + 1
      slots[n], keys[n] = i, ffi_string(item.key, item.key_len)
    end
  end
  return setmetatable({ op = "get", n = n, keys = keys }, Request), slots
end


-- The request of a batch.
local function load(batch)
  local n, items, op = batch.n, batch.items, Op.names[batch.op]
  local req = setmetatable({ op = op, n = n, keys = Items.keys(items, n) }, Request)
  if Op.sends[op] then
    local values = new_table(n, 0)
    for i = 1, n do values[i] = value_of(items[i - 1]) end
    req.values = values
  end
  Items.load(items, req)
  return req
end


-- Puts the words of an error into a batch. The batch may have those of an earlier one:
-- the NUL at the end ends the text.
local function put_words(batch, words)
  ffi.copy(batch.error.message, words:sub(1, WORDS_ROOM))
end


-- The words of the first error among the slots.
local function explain(batch, reply)
  for i = 1, reply.n do
    if class[reply[i]] == "error" then
      return put_words(batch, tostring(reply:error(i)))
    end
  end
end


-- What a reply says, into the items of the batch, or into those of `slots`.
local function unload(batch, reply, slots)
  local items, op = batch.items, Op.names[batch.op]
  local good, returns = 0, Op.returns[op]
  for i = 1, reply.n do
    local item, name = items[slots and slots[i] or i - 1], reply[i]
    item.status = NUMBER[name]
    if name == "ok" then good = good + 1 end
    if returns then
      item.value = reply:pointer(i)
      if item.value ~= nil then reply.values.at[i - 1] = nil end
    end
  end
  if op == "stat" then Items.unload_stat(items, reply) end
  if Op.numbers[op] then Items.unload_numbers(items, reply) end
  if good < reply.n then explain(batch, reply) end
end


-- A tree that raised is a bug of a policy: each slot fails, the server goes on.
local function fail(batch, why, slots)
  put_words(batch, tostring(why))
  for i = 1, slots and #slots or batch.n do
    batch.items[slots and slots[i] or i - 1].status = NUMBER.failed
  end
end


--- Answers the batch of a request by a store; waits as the store does.
---@param store weir.Store
---@param request ffi.cdata* struct weir_request
function Runs.answer(store, request)
  local batch = request.batch
  local req, slots = (request.hits > 0 and load_rest or load)(batch)
  local good, reply = pcall(store.run, store, req)
  if good then unload(batch, reply, slots) else fail(batch, reply, slots) end
end


--- Refuses a batch: the server is closing.
function Runs.skip(batch)
  C.weir_batch_reset(batch, batch.op, batch.n)
  for i = 0, batch.n - 1 do batch.items[i].status = NUMBER.skipped end
end


return Runs
