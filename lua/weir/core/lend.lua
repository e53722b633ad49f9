-- core/lend.lua: the pools of requests and replies for one key. A verb for one key
-- lends a request to a store whose run keeps neither the request nor the reply
-- (store.reuses), and takes both back when it is done. Used by request.lua and
-- reply.lua.

local Merge = require "weir.core.merge"
local Room = require "weir.core.room"
local C = require("weir.ffi").C

local new_table = require "table.new"

local Lend = {}

local requests, replies = { n = 0 }, { n = 0 }
local MOST = 64 -- kept in a pool


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

local OF_REPLY = { "good", "sum", "lead", "after", "left", "message", "store",
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


-- ---- requests ----

local function make_request(class)
  local req = new_table(0, 16)
  req.op, req.n, req.keys, req.pooled = "", 1, false, true
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


--- Puts such a request back into the pool.
function Lend.take_request(req)
  if not req.pooled then return end
  req.own_keys[1], req.own_values[1], req.keys = "", "", false
  clear_request(req)
  put(requests, req)
end


-- ---- replies ----

local function make_reply(class)
  local reply = new_table(1, 32)
  reply.n, reply.req, reply.status, reply.pooled = 1, false, reply, true
  reply.values = Room.lasting()
  setter(OF_REPLY, "0")(reply)
  clear_reply(reply)
  return setmetatable(reply, class)
end


--- Returns a reply to a request of the pool. The reply has a room of its own.
function Lend.reply(class, req)
  local reply = take(replies) or make_reply(class)
  reply.req = req
  return reply
end


--- Puts such a reply back into the pool, once.
function Lend.take_reply(reply)
  if not reply.pooled or not reply.req then return end
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
