-- core/changes.lua: the atomic verbs: writes whose result depends on the value that is
-- there. No other write of the key comes between what such a verb looks at and what it
-- changes. Words over several stores pass it to the one that decides, or say
-- "unsupported". They are methods of store.lua.

local ffi = require "ffi"
local check_method = require "weir.core.method"
local Op = require "weir.core.op"
local options = require "weir.core.options"
local Request = require "weir.core.request"
local status = require "weir.core.status"
local Value = require "weir.core.value"

local class = status.class

---@class weir.Store
local Changes = {}

-- Errors of the request point at the caller of the verb.
local VERB = 2

local UINT64, INT64 = ffi.typeof "uint64_t", ffi.typeof "int64_t"
local EXACT = 2 ^ 53 -- up to here every integer is a Lua number


-- ---- arguments ----

local function one(self, op, key, opts)
  check_method(self, op, VERB + 1)
  local req = Request.one(op, key, opts, VERB + 1)
  return req
end


-- To do such an op twice in one batch would have two results, and a slot has one.
local function refuse_twice(req, op)
  if not req.positions or Op.idempotent[op] then return end
  local seen = {}
  for _, at in ipairs(req.positions) do
    if seen[at] then
      error(("%s_many: the key %q comes twice"):format(op, req.keys[at]), VERB + 2)
    end
    seen[at] = true
  end
end


local function many(self, op, keys, opts)
  check_method(self, op .. "_many", VERB + 1)
  local req = Request.new(op, keys, opts, VERB + 1)
  refuse_twice(req, op)
  return req
end


-- What is added to a number. level: the frame that errors point at, as below.
local function delta_of(x, what, level)
  if ffi.istype(INT64, x) then return x end
  if type(x) == "number" and x % 1 == 0 and math.abs(x) <= EXACT then return x end
  error(("%s is an integer, up to 2^53 or an int64_t, not %s"):format(what,
    Value.describe(x)), level + 1)
end


-- The version of what is expected: a version, or the old value itself.
local function version_of(x, what, level)
  if ffi.istype(UINT64, x) then return x end
  if Value.is(x) then return x:version() end
  if type(x) == "string" then return Value.version_of(x) end
  error(("%s is the old value, or its version (value:version()), not %s"):format(what,
    Value.describe(x)), level + 1)
end


local function list_of(items, req, n, check, what)
  if type(items) ~= "table" then
    error(("%ss are a list, not %s"):format(what, Value.describe(items)), VERB + 2)
  end
  local list, positions = {}, req.positions
  for i = 1, n do
    list[positions and positions[i] or i] = check(items[i], what .. " " .. i, VERB + 1)
  end
  return list
end


-- ---- results ----

-- The result for the one slot of a reply: yes for ok, false if the value that is there,
-- or its absence, does not let it be done; or nil and an error.
local function outcome(reply, yes)
  if class[reply[1]] == "good" then return yes end
  if class[reply[1]] == "miss" then return false end
  return nil, reply:error(1)
end


local function expand(req, reply)
  if req.positions then reply = reply:expand(req.positions) end
  return reply
end


-- ---- one key ----

--- Stores a value if there is none. false: there is one.
---@param key string
---@param value string|weir.Value|ffi.cdata*|table
---@param opts { ttl: weir.Seconds?, timeout: weir.Seconds?, deadline: number? }?
---@return boolean? stored, weir.Error? err
function Changes:add(key, value, opts)
  local req = one(self, "add", key, opts)
  req:with_value(value, VERB)
  return outcome(self:run(req), true)
end


--- Stores a value if there is one already. false: there is none.
---@param key string
---@param value string|weir.Value|ffi.cdata*|table
---@param opts { ttl: weir.Seconds?, timeout: weir.Seconds?, deadline: number? }?
---@return boolean? stored, weir.Error? err
function Changes:replace(key, value, opts)
  local req = one(self, "replace", key, opts)
  req:with_value(value, VERB)
  return outcome(self:run(req), true)
end


--- Stores a value if the one that is there is still the expected one. false: it is
--- another one, or there is none.
---@param key string
---@param value string|weir.Value|ffi.cdata*|table
---@param expected string|weir.Value|ffi.cdata* the old value, or its version
---@param opts { ttl: weir.Seconds?, timeout: weir.Seconds?, deadline: number? }?
---@return boolean? stored, weir.Error? err
function Changes:cas(key, value, expected, opts)
  local req = one(self, "cas", key, opts)
  req:with_value(value, VERB)
  req.numbers = { version_of(expected, "what cas expects", VERB) }
  return outcome(self:run(req), true)
end


--- Adds to a number, which is stored as decimal digits and begins at 0, and returns the
--- sum: a Lua number, or an int64_t where that is not exact. A value that is no number
--- or a sum over 64 bits: nil and an error "invalid". ttl is that of a value that it
--- creates; one that is there keeps its own.
---@param key string
---@param delta integer|ffi.cdata*? default 1
---@param opts { ttl: weir.Seconds?, timeout: weir.Seconds?, deadline: number? }?
---@return (number|ffi.cdata*)? sum, weir.Error? err
function Changes:incr(key, delta, opts)
  local req = one(self, "incr", key, opts)
  req.numbers = { delta_of(delta == nil and 1 or delta, "what incr adds", VERB) }
  local reply = self:run(req)
  return outcome(reply, reply:number(1))
end


--- Adds bytes to the end of a value, which begins empty, and returns its new length.
--- ttl is that of a value that it creates; one that is there keeps its own.
---@param key string
---@param value string|weir.Value|ffi.cdata*|table
---@param opts { ttl: weir.Seconds?, timeout: weir.Seconds?, deadline: number? }?
---@return number? length, weir.Error? err
function Changes:append(key, value, opts)
  local req = one(self, "append", key, opts)
  req:with_value(value, VERB)
  local reply = self:run(req)
  return outcome(reply, reply:number(1))
end


--- Reads a value and gives it a new time to live; nil: it never expires.
---@param key string
---@param ttl weir.Seconds? seconds or "10m"
---@param opts { timeout: weir.Seconds?, deadline: number? }?
---@return weir.Value? value, weir.Error? err
function Changes:gat(key, ttl, opts)
  local req = one(self, "gat", key, opts)
  req.ttl = options.seconds("a time to live", ttl, VERB)
  local reply = self:run(req)
  if reply[1] == "miss" then return nil end
  return outcome(reply, reply:take(1))
end


--- Reads a value and removes it. nil alone: there is none.
---@param key string
---@param opts { timeout: weir.Seconds?, deadline: number? }?
---@return weir.Value? value, weir.Error? err
function Changes:take(key, opts)
  local req = one(self, "take", key, opts)
  local reply = self:run(req)
  if reply[1] == "miss" then return nil end
  return outcome(reply, reply:take(1))
end


-- ---- lists of keys ----

-- Makes a verb that sends values[i] under keys[i].
local function sending(op)
  return function(self, keys, values, opts)
    local req = many(self, op, keys, opts)
    req:with_values(values, #keys, VERB)
    return expand(req, self:run(req))
  end
end


--- As add, for a list of keys: "rejected" is a slot whose key has a value.
---@type fun(self, keys: string[], values: table, opts: table?): weir.Reply
Changes.add_many = sending "add"

--- As replace, for a list of keys.
---@type fun(self, keys: string[], values: table, opts: table?): weir.Reply
Changes.replace_many = sending "replace"

--- As append, for a list of keys; reply:number(i) is the new length.
---@type fun(self, keys: string[], values: table, opts: table?): weir.Reply
Changes.append_many = sending "append"


--- As cas, for a list of keys: "rejected" is a slot with another value.
---@return weir.Reply
function Changes:cas_many(keys, values, expected, opts)
  local req = many(self, "cas", keys, opts)
  req:with_values(values, #keys, VERB)
  req.numbers = list_of(expected, req, #keys, version_of, "expected value")
  return expand(req, self:run(req))
end


--- As incr, for a list of keys; reply:number(i) is the sum.
---@param deltas (integer|ffi.cdata*)[]|integer|nil one for each key, or for all
---@return weir.Reply
function Changes:incr_many(keys, deltas, opts)
  local req = many(self, "incr", keys, opts)
  if type(deltas) ~= "table" then
    local delta = delta_of(deltas == nil and 1 or deltas, "what incr adds", VERB)
    deltas = {}
    for i = 1, #keys do deltas[i] = delta end
  end
  req.numbers = list_of(deltas, req, #keys, delta_of, "delta")
  return expand(req, self:run(req))
end


--- As gat, for a list of keys.
---@return weir.Reply
function Changes:gat_many(keys, ttl, opts)
  local req = many(self, "gat", keys, opts)
  req.ttl = options.seconds("a time to live", ttl, VERB)
  return expand(req, self:run(req))
end


--- As take, for a list of keys.
---@return weir.Reply
function Changes:take_many(keys, opts)
  local req = many(self, "take", keys, opts)
  return expand(req, self:run(req))
end


return Changes
