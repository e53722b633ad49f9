-- core/lend.lua: the pools of requests and replies. A verb for one key lends a request
-- to a store whose run keeps neither the request nor the reply (store.reuses), and
-- takes both back when it is done. So do words and replays that make requests of their
-- own, also for several keys. Used by request.lua and reply.lua.

local Merge = require "weir.core.merge"
local Room = require "weir.core.room"
local C = require("weir.ffi").C

local new_table = require "table.new"

local Lend = {}

-- Those for one key are apart: compiled code for one key has no loops.
local requests, replies = { n = 0 }, { n = 0 }
local batches, batch_replies = { n = 0, many = true }, { n = 0, many = true }
local MOST = 64 -- kept in a pool

-- Objects with lists for more keys are not kept.
local MOST_KEYS = 4096


-- Makes a function that gives all of the fields one value. It is written out, since a
-- loop over the names would not be compiled into a verb.
local function setter(names, value)
  local lines = { "return function(self)" }
  for _, name in ipairs(names) do
    lines[#lines + 1] = ("self.%s = %s"):format(name, value)
  end
  lines[#lines + 1] = "end"
  return assert(loadstring(table.concat(lines, "\n"), "=set"))()
end


-- What is cleared stays in the table's hash part, so that compiled code finds it at the
-- same place in each table of a pool.
local OF_REQUEST = { "values", "ttl", "deadline", "sum", "front", "limit",
  "numbers" }
local clear_request = setter(OF_REQUEST, "nil")
local OF_BATCH = { "ttls", "prefix", "positions", unpack(OF_REQUEST) }
local clear_batch = setter(OF_BATCH, "nil")

local OF_REPLY = { "good", "sum", "mixed", "lead", "after", "left", "message", "store",
  unpack(Merge.FACTS) }
local clear_reply = setter(OF_REPLY, "nil")


local function take(pool)
  local n = pool.n
  if n == 0 then return nil end
  pool.n = n - 1
  return pool[n]
end


local function put(pool, it)
  local n = pool.n
  if n < MOST then pool[n + 1], pool.n = it, n + 1 end
end


local function empty(list, n)
  for i = 1, n do list[i] = nil end
end


-- ---- requests ----

local function make_request(class)
  local req = new_table(0, 16)
  req.op, req.n, req.keys, req.pooled = "", 1, false, requests
  req.own_keys, req.own_values = { "" }, { "" }
  setter(OF_REQUEST, "0")(req)
  clear_request(req)
  return setmetatable(req, class)
end


--- Returns a request whose op and keys the caller sets. It has lists for a key and a
--- value: own_keys and own_values.
function Lend.request(class)
  return take(requests) or make_request(class)
end


local function make_batch(class)
  local req = new_table(0, 32)
  req.op, req.n, req.keys, req.pooled = "", 0, false, batches
  req.own_keys, req.own_values = {}, {}
  setter(OF_BATCH, "0")(req)
  clear_batch(req)
  return setmetatable(req, class)
end


--- The same for several keys: the caller sets n, too, and fills the lists that it uses.
function Lend.batch(class)
  return take(batches) or make_batch(class)
end


local function take_batch(req)
  local n, own_keys, own_values = req.n, req.own_keys, req.own_values
  local filled, valued = req.keys == own_keys, req.values == own_values
  req.keys, req.n = false, 0
  clear_batch(req)
  if n > MOST_KEYS then return end
  if filled then empty(own_keys, n) end
  if valued then empty(own_values, n) end
  put(batches, req)
end


--- Puts such a request back into its pool.
function Lend.take_request(req)
  local pool = req.pooled
  if not pool then return end
  if pool == batches then return take_batch(req) end
  req.own_keys[1], req.own_values[1], req.keys = "", "", false
  clear_request(req)
  put(requests, req)
end


-- ---- replies ----

local function make_reply(class)
  local reply = new_table(1, 32)
  reply.n, reply.req, reply.status, reply.pooled = 1, false, reply, replies
  reply.values = Room.lasting(1)
  setter(OF_REPLY, "0")(reply)
  clear_reply(reply)
  return setmetatable(reply, class)
end


local function make_batch_reply(class)
  local reply = new_table(64, 32)
  reply.n, reply.req, reply.status, reply.pooled = 0, false, reply, batch_replies
  reply.own_room, reply.room_size, reply.values = false, 0, 0
  setter(OF_REPLY, "0")(reply)
  clear_reply(reply)
  reply.values = nil
  return setmetatable(reply, class)
end


--- Returns a reply to a request of a pool. One for one key has a room.
function Lend.reply(class, req)
  local reply = req.n == 1 and (take(replies) or make_reply(class))
    or take(batch_replies) or make_batch_reply(class)
  reply.n, reply.req = req.n, req
  return reply
end


--- The room of such a reply for several keys. It serves again with the reply.
function Lend.room(reply)
  local n = reply.n
  if reply.room_size < n then
    reply.own_room, reply.room_size = Room.lasting(n), n
  end
  reply.own_room.n = n
  return reply.own_room
end


local function take_batch_reply(reply)
  local n, values = reply.n, reply.values
  if values then
    C.weir_values_unref(values)
    reply.values = nil
  end
  reply.req = false
  clear_reply(reply)
  if n > MOST_KEYS then return end
  empty(reply, n)
  put(batch_replies, reply)
end


--- Puts such a reply back into its pool, once.
function Lend.take_reply(reply)
  local pool = reply.pooled
  if not pool or not reply.req then return end
  if pool == batch_replies then return take_batch_reply(reply) end
  local at = reply.values.at
  if at[0] ~= nil then
    C.weir_value_unref(at[0])
    at[0] = nil
  end
  reply[1], reply.req = nil, false
  clear_reply(reply)
  put(replies, reply)
end


return Lend
