-- core/request.lua: one op over unique keys. The verbs make requests from the caller's
-- arguments and check them. Policies pass them on, narrowed to some slots or with a
-- nearer deadline. A request is never changed once run.

local bytes = require "weir.core.bytes"
local Lend = require "weir.core.lend"
local options = require "weir.core.options"
local unique = require "weir.core.unique"
local Value = require "weir.core.value"

local new_table = require "table.new"

---@class weir.Request
---@field op string         get, set, ...: one of Op.list
---@field n integer         keys
---@field keys string[]     each once
---@field values (string|weir.Value)[]? of set and other ops that send a value
---@field numbers (number|ffi.cdata*)[]? what an incr adds, the versions of a cas
---@field buffers ffi.cdata*[]? of get_into: where each value goes, uncopied
---@field caps number[]?    the bytes each buffer has room for
---@field ttl number?       seconds
---@field ttls number[]?    seconds by slot, where they differ
---@field tickets number[]? of a set or delete: slots whose ticket is bad are skipped
---@field undo boolean? of a set with tickets: slots without an answer are deleted
---@field deadline number?  absolute, in the host's seconds
---@field prefix boolean?   only the leading good slots are of use
---@field limit table?      attempts shared by nested retries
---@field peek boolean?     a get that changes nothing: no copies, loads, refreshes
---@field purge boolean?    a delete of copies only: origins have nothing to delete
---@field front string?      goes in front of each key; only C stores see it
---@field origin integer[]? where each slot stood when limit was made
---@field trace table?      collects what happened where
local Request = {}
Request.__index = Request


local function bad_key(key, level, at)
  if at and key == nil then
    error(("a list of keys has no holes: key %d is nil"):format(at), level + 1)
  end
  error(("a key is a string, not %s%s%s"):format(Value.describe(key),
    at and (" (key %d of the list)"):format(at) or "", bytes.hint(key)), level + 1)
end


-- Whether the list has further keys behind the n that #keys counts: then it has a hole.
local function has_more_keys(keys, n)
  local at = next(keys, n > 0 and n or nil)
  while at ~= nil do
    if type(at) == "number" and (at > n or at < 1) then return true end
    at = next(keys, at)
  end
  return false
end


--- A request for one key. `level`: the frame that errors point at; 1: the caller.
function Request.one(op, key, opts, level)
  if type(key) ~= "string" then bad_key(key, level + 1) end
  local req = setmetatable({ op = op, n = 1, keys = { key } }, Request)
  if opts then options.apply(req, opts, level + 1) end
  return req
end


--- A request for one key, a string, from a pool: give_back takes it back.
---@return weir.Request
function Request.lend(op, key)
  local req = Lend.request(Request)
  local keys = req.own_keys
  keys[1] = key
  req.op, req.keys = op, keys
  return req
end


--- The same for several keys. The caller fills own_keys, and own_values of a set, and
--- sets n.
---@return weir.Request
function Request.lend_batch(op)
  local req = Lend.batch(Request)
  req.op, req.keys = op, req.own_keys
  return req
end


-- A lent request like this one, which is lent, too, for the same keys.
local function another(self)
  if self.pooled.many == nil then return Lend.request(Request) end
  local req = Lend.batch(Request)
  req.n, req.ttls, req.prefix = self.n, self.ttls, self.prefix
  return req
end


--- Like within, for a request that the caller gives back when it is answered.
---@param deadline number? absolute, in the host's seconds
---@return weir.Request
function Request:relend(deadline)
  if not self.pooled then return self:within(deadline) end
  local req, own = another(self), self.deadline
  req.op, req.keys, req.values, req.ttl = self.op, self.keys, self.values, self.ttl
  req.deadline = own and own < deadline and own or deadline
  req.sum, req.limit, req.numbers = self.sum, self.limit, self.numbers
  return req
end


--- Gives a lent request back; does nothing with another one. Nothing may refer to it
--- any more.
Request.give_back = Lend.take_request


--- A request for keys as they are, duplicates included; nil: they are no list of
--- strings. The list remains the caller's.
---@param op string
---@param keys string[]
---@param n integer
---@return weir.Request?
function Request.plain(op, keys, n)
  for i = 1, n do
    if type(keys[i]) ~= "string" then return nil end
  end
  if has_more_keys(keys, n) then return nil end
  local req = setmetatable({ op = op, n = n, keys = keys }, Request)
  return req
end


--- A request for a list of keys. When a key came twice, req.positions has the place of
--- each slot's answer.
---@param op string
---@param keys string[]
---@param opts table?
---@param level integer? where errors point: 1 (default) the caller
---@return weir.Request
function Request.new(op, keys, opts, level)
  level = level or 1
  if type(keys) ~= "table" then
    error(("keys are a list of strings, not a %s"):format(type(keys)), level + 1)
  end
  local given = #keys
  local list, n, positions = unique(keys, given)
  if not list then bad_key(keys[n], level + 1, n) end
  if has_more_keys(keys, given) then bad_key(nil, level + 1, given + 1) end
  local req = setmetatable({
    op = op, n = n, keys = list, positions = positions,
  }, Request)
  if opts then options.apply(req, opts, level + 1) end
  return req
end


local function check_list(what, list, n, level)
  if type(list) ~= "table" then
    error(("%s are a list, not a %s"):format(what, type(list)), level + 1)
  end
  -- A list of one item that is nil gets its error from the function that reads the
  -- list.
  if #list ~= n and not (n == 1 and list[1] == nil) then
    error(("%d keys but %d %s"):format(n, #list, what), level + 1)
  end
end


--- Gives a request the values to store; of a key that came twice the last one counts.
function Request:with_values(values, n, level)
  check_list("values", values, n, level + 1)
  local list, positions = new_table(self.n, 0), self.positions
  for i = 1, n do
    list[positions and positions[i] or i] = bytes.value(values[i], level + 1)
  end
  self.values = list
end


--- The same for a request for one key.
function Request:with_value(value, level)
  local list = self.own_values or {}
  list[1] = bytes.value(value, level + 1)
  self.values = list
end


--- Gives a request the buffers to read to; of a key that came twice the largest one.
--- req.lent has them all. req.given keeps the caller's objects alive: a slice {
--- pointer, size, slab } keeps its slab.
function Request:with_buffers(buffers, n, level)
  check_list("buffers", buffers, n, level + 1)
  local list, caps = new_table(self.n, 0), new_table(self.n, 0)
  local lent = self.positions and new_table(n, 0)
  for i = 1, n do
    local pointer, cap = bytes.buffer(buffers[i], level + 1)
    local at = self.positions and self.positions[i] or i
    if not caps[at] or cap > caps[at] then list[at], caps[at] = pointer, cap end
    if lent then lent[i] = { pointer = pointer, cap = cap } end
  end
  self.buffers, self.caps, self.lent, self.given = list, caps, lent, buffers
end


--- The bytes of all values of a set.
---@return number
function Request:bytes()
  local sum = self.sum
  if not sum then
    sum = 0
    for i = 1, self.values and self.n or 0 do sum = sum + #self.values[i] end
    self.sum = sum
  end
  return sum
end


--- The bytes of a set that a store in this process has to copy: those of strings, not
--- those of values, which it refers to.
---@return number
function Request:copied()
  local sum, values = 0, self.values
  for i = 1, values and self.n or 0 do
    local value = values[i]
    if type(value) == "string" then
      sum = sum + #value
    elseif value.ref == nil then
      sum = sum + tonumber(value.size)
    end
  end
  return sum
end


local function pick(list, slots, n)
  if not list then return nil end
  local some = new_table(n, 0)
  for i = 1, n do some[i] = list[slots[i]] end
  return some
end


-- Whether a request has any of the fields that few have. A table with all of them would
-- be three times as large.
local function has_more(self)
  return self.op ~= "get" or self.buffers or self.limit or self.peek
end


--- A copy with some fields changed. A deadline only shrinks.
---@param changes table
---@return weir.Request
function Request:with(changes)
  local copy = new_table(0, 12)
  for name, value in pairs(self) do copy[name] = value end
  for name, value in pairs(changes) do copy[name] = value end
  if changes.values then copy.sum = nil end
  if self.deadline and copy.deadline > self.deadline then
    copy.deadline = self.deadline
  end
  return setmetatable(copy, Request)
end


--- A copy with a deadline no later than this one. Used for timeouts.
---@param deadline number absolute, in the host's seconds
---@return weir.Request
function Request:within(deadline)
  local own = self.deadline
  local copy = setmetatable({
    op = self.op,
    n = self.n,
    keys = self.keys,
    deadline = own and own < deadline and own or deadline,
    prefix = self.prefix,
    trace = self.trace,
  }, Request)
  if has_more(self) then
    copy.values, copy.ttl, copy.ttls = self.values, self.ttl, self.ttls
    copy.numbers = self.numbers
    copy.buffers, copy.caps, copy.given = self.buffers, self.caps, self.given
    copy.cursors, copy.page = self.cursors, self.page
    copy.limit, copy.origin = self.limit, self.origin
    copy.peek, copy.purge = self.peek, self.purge
  end
  return copy
end


--- The time to live of a slot's value in seconds, or nil.
---@param i integer
---@return number?
function Request:ttl_of(i)
  return self.ttls and self.ttls[i] or self.ttl
end


--- The place of a slot in the request for which `limit` was made.
---@param i integer
---@return integer
function Request:place(i)
  return self.origin and self.origin[i] or i
end


-- The places of some slots, if attempts are counted by them.
local function places(self, slots, n)
  if not self.limit then return nil end
  if self.origin then return pick(self.origin, slots, n) end
  return slots
end


-- Copies the fields that few requests have to a subset.
local function pick_more(self, some, slots, n)
  some.values, some.numbers = pick(self.values, slots, n), pick(self.numbers, slots, n)
  some.ttl, some.ttls = self.ttl, pick(self.ttls, slots, n)
  some.buffers, some.caps = pick(self.buffers, slots, n), pick(self.caps, slots, n)
  some.given = self.given
  some.cursors, some.page = pick(self.cursors, slots, n), self.page
  some.limit, some.origin = self.limit, places(self, slots, n)
  some.peek, some.purge = self.peek, self.purge
end


--- A request for some of the keys, the rest as it is.
---@param slots integer[]
---@return weir.Request
function Request:subset(slots)
  local n = #slots
  local some = setmetatable({
    op = self.op,
    n = n,
    keys = pick(self.keys, slots, n),
    deadline = self.deadline,
    prefix = self.prefix,
    trace = self.trace,
  }, Request)
  if has_more(self) then pick_more(self, some, slots, n) end
  return some
end


--- The same for a request that the caller gives back when it is answered, and whose
--- reply it gives back. Only the usual get is lent.
---@param slots integer[]
---@return weir.Request
function Request:lend_subset(slots)
  if has_more(self) or self.trace then return self:subset(slots) end
  local some, keys, n = Lend.batch(Request), self.keys, #slots
  local own = some.own_keys
  for i = 1, n do own[i] = keys[slots[i]] end
  some.op, some.n, some.keys = self.op, n, own
  some.deadline, some.prefix = self.deadline, self.prefix
  return some
end


return Request
