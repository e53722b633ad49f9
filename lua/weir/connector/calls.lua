-- connector/calls.lua: a call of C as a request to a tree, and the reply back into its
-- items. Values pass by reference in both directions. Used by connector.lua.

local ffi = require "ffi"
local Op = require "weir.core.op"
local Request = require "weir.core.request"
local status = require "weir.core.status"
local Value = require "weir.core.value"
local C = require("weir.ffi").C

local new_table = require "table.new"
local ffi_string = ffi.string
local NUMBER, OK, class = status.number, status.number.ok, status.class

ffi.cdef [[
int weir_call_fail(void *, struct weir_item *, int, const char *, ...);
int weir_call_no_memory(void *, struct weir_item *, const char *);
void weir_call_answer_value(void *, struct weir_item *, struct weir_value *);
struct weir_value *weir_call_value(void *, struct weir_item *);
]]

local Calls = {}

-- Cursors of policies are tables of Lua. They are kept under numbers from FIRST on, and
-- C sees the number. Of more than CURSORS the oldest is forgotten.
local FIRST, CURSORS = 2 ^ 52, 10000


-- ---- scans ----

local function number_of(kept, cursor)
  if cursor == nil then return 0 end
  if type(cursor) ~= "table" then return cursor end
  kept.last = kept.last + 1
  kept[kept.last] = cursor
  kept[kept.last - CURSORS] = nil
  return FIRST + kept.last
end


-- The cursor behind a number, nil: from the start.
local function cursor_of(kept, number)
  if number == 0 then return nil end
  local at = tonumber(number) - FIRST
  if kept[at] then return kept[at] end
  if at >= 1 and at <= kept.last then
    error("this cursor is forgotten: too many scans began since; begin again with 0", 0)
  end
  return number
end


-- ---- in ----

local function load_values(call, req)
  local values = new_table(req.n, 0)
  for i = 1, req.n do
    local pointer = C.weir_call_value(call.call, call.items + (i - 1))
    if pointer == nil then
      C.weir_call_no_memory(call.call, nil, "the values of a request")
      return false
    end
    Value.charge(tonumber(pointer.size))
    values[i] = Value.own(pointer)
  end
  req.values = values
  return true
end


local function load_ttls(call, req)
  for i = 1, req.n do
    local ms = call.items[i - 1].ttl_ms
    if ms > 0 then
      req.ttls = req.ttls or {}
      req.ttls[i] = tonumber(ms) / 1000
    end
  end
end


local function load_cursors(call, req, kept)
  local page = tonumber(call.items[0].cap)
  req.page, req.cursors = page > 0 and page or nil, {}
  for i = 1, req.n do req.cursors[i] = cursor_of(kept, call.items[i - 1].cursor) end
end


-- The request of a call; nil: its items are answered.
local function load(call, kept)
  local n, items, op = call.n, call.items, Op.names[call.op]
  local keys = new_table(n, 0)
  for i = 1, n do
    local item = items[i - 1]
    keys[i] = ffi_string(item.key, item.key_len)
  end
  local req = setmetatable({ op = op, n = n, keys = keys }, Request)
  if call.deadline_ns > 0 then req.deadline = tonumber(call.deadline_ns) * 1e-9 end
  if op == "get" then return req end
  if op == "set" and not load_values(call, req) then return nil end
  if op == "set" or op == "touch" then load_ttls(call, req) end
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


local unload_op = {
  get = unload_values,
  scan = function(call, reply, kept)
    unload_values(call, reply)
    for i = 1, reply.n do
      call.items[i - 1].cursor = number_of(kept, reply.cursors and reply.cursors[i])
    end
  end,
  stat = function(call, reply)
    for i = 1, reply.n do
      local item = call.items[i - 1]
      item.size = reply:size(i) or 0
      item.ttl_ms = math.ceil((reply:ttl(i) or 0) * 1000)
    end
  end,
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


local function run(call, store, kept)
  local req = load(call, kept)
  if not req then return end
  local reply = store:run(req)
  -- C takes the call back when it is late: then its items are gone.
  if call.call ~= nil then unload(call, reply, kept) end
end


--- Makes answer(call), which runs a call by the tree, waiting as the tree does, and
--- hands it back to C.
function Calls.answerer(store, shared)
  local kept = { last = 0 }
  return function(call)
    local good, why = pcall(run, call, store, kept)
    if not good and call.call ~= nil then fail(call, why) end
    call.next, shared.ended = shared.ended, call
  end
end


return Calls
