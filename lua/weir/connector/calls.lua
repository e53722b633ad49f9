-- connector/calls.lua: a call of C as a request to a tree, and the reply back into its
-- items. Values pass by reference in both directions. Used by connector.lua.

local Cursors = require "weir.core.cursors"
local Ffi = require "weir.ffi"
local Items = require "weir.native.items"
local Op = require "weir.core.op"
local Request = require "weir.core.request"
local status = require "weir.core.status"
local Value = require "weir.core.value"
local C = Ffi.C

local new_table = require "table.new"
local NUMBER, OK, class = status.number, status.number.ok, status.class

Ffi.declare [[
int weir_call_fail(void *, struct weir_item *, int, const char *, ...);
int weir_call_no_memory(void *, struct weir_item *, const char *);
void weir_call_answer_value(void *, struct weir_item *, struct weir_value *);
struct weir_value *weir_call_value(void *, struct weir_item *);
]]

local Calls = {}

-- ---- in ----

local function load_values(call, req)
  local values = new_table(req.n, 0)
  for i = 1, req.n do
    local pointer = C.weir_call_value(call.call, call.items + (i - 1))
    if pointer == nil then
      C.weir_call_no_memory(call.call, nil, "the values of a request")
      return false
    end
    values[i] = Value.own(pointer)
  end
  req.values = values
  return true
end


local function load_cursors(call, req, kept)
  local page = tonumber(call.items[0].cap)
  req.page, req.cursors = page > 0 and page or nil, {}
  for i = 1, req.n do
    local cursor = kept:find(call.items[i - 1].cursor)
    if cursor == false then
      error("this cursor is forgotten: too many scans began since. Begin again with 0",
        0)
    end
    req.cursors[i] = cursor
  end
end


-- The request of a call; nil: its items are answered.
local function load(call, kept)
  local n, items, op = call.n, call.items, Op.names[call.op]
  local req = setmetatable({ op = op, n = n, keys = Items.keys(items, n) }, Request)
  if call.deadline_ns > 0 then req.deadline = tonumber(call.deadline_ns) * 1e-9 end
  if op == "get" then return req end
  if Op.sends[op] and not load_values(call, req) then return nil end
  Items.load(items, req)
  if op == "scan" then load_cursors(call, req, kept) end
  return req
end


-- ---- out ----

local function explain(call, reply)
  for i = 1, reply.n do
    if class[reply[i]] == "error" then
      local words = reply:words(i) or status.phrase(reply[i])
      C.weir_call_fail(call.call, call.items + (i - 1), NUMBER[reply[i]], "%s", words)
      return
    end
  end
end


-- A value goes from the reply to the item, or is copied to the caller's memory.
local function unload_values(call, reply)
  local items, at = call.items, reply:room().at
  for i = 1, reply.n do
    local item, value = items[i - 1], at[i - 1]
    if item.status == OK and value ~= nil then
      if item.data == nil then
        item.value, item.size = value, value.size
        at[i - 1] = nil
      else
        C.weir_call_answer_value(call.call, item, value)
      end
    elseif reply[i] == "toobig" then
      item.size = reply:size(i) or 0
    end
  end
end


local function unload_numbers(call, reply)
  Items.unload_numbers(call.items, reply)
end


local unload_op = {
  get = unload_values,
  gat = unload_values,
  take = unload_values,
  incr = unload_numbers,
  append = unload_numbers,
  scan = function(call, reply, kept)
    unload_values(call, reply)
    for i = 1, reply.n do
      call.items[i - 1].cursor = kept:number(reply.cursors
        and reply.cursors[i])
    end
  end,
  stat = function(call, reply) Items.unload_stat(call.items, reply) end,
}


local function unload(call, reply, kept)
  local items, n, good = call.items, call.n, 0
  if reply.n ~= n then
    error(("a store answered %d of %d keys"):format(reply.n, n), 0)
  end
  for i = 1, n do
    local number = NUMBER[reply[i]]
    items[i - 1].status = number
    if number == OK then good = good + 1 end
  end
  local more = unload_op[Op.names[call.op]]
  if more then more(call, reply, kept) end
  if good < n then explain(call, reply) end
end


-- Answers a call whose request raised: that is a mistake in a policy.
local function fail(call, why)
  for i = 0, call.n - 1 do call.items[i].status = 0 end
  C.weir_call_fail(call.call, nil, NUMBER.failed, "%s", tostring(why))
end


-- Frees the values of a request and its reply. Left to the collector, they would take
-- the processor's cache from the next ones.
local function drop_values(req, reply)
  for i = 1, req.values and req.n or 0 do req.values[i]:close() end
  reply:close()
end


local function run(call, store, kept)
  local req = load(call, kept)
  if not req then return end
  local forgets = store.forgets
  local reply = store:run(req)
  -- C takes the call back when it is late: then its items are gone.
  if call.call ~= nil then unload(call, reply, kept) end
  if forgets then
    drop_values(req, reply)
  elseif req.values then
    Value.charge(req:bytes())
  end
end


--- Makes answer(call), which runs a call by the tree, waiting as the tree does, and
--- hands it back to C.
function Calls.answerer(store, shared)
  local kept = Cursors.new()
  return function(call)
    local good, why = pcall(run, call, store, kept)
    if not good and call.call ~= nil then fail(call, why) end
    call.next, shared.ended = shared.ended, call
  end
end


return Calls
