-- core/reply.lua: the answer to a request: one slot for each key, in the order of the
-- request. A reply is the array of its statuses ("ok", "miss", ...), so #reply is the
-- number of slots. reply.status is the reply itself. Values stay in C, counted, and are
-- dropped with the reply. Made by native.lua and by policies.

local ffi = require "ffi"
local Error = require "weir.core.error"
local Room = require "weir.core.room"
local Lend = require "weir.core.lend"
local Merge = require "weir.core.merge"
local status = require "weir.core.status"
local Value = require "weir.core.value"
local C = require("weir.ffi").C

local new_table = require "table.new"
local ffi_string = ffi.string
local class, rank = status.class, status.rank
local forget = Merge.forget

---@class weir.Reply
---@field n integer       slots
---@field status string[] the status of each slot
---@field good integer?   slots that are "ok", where the answerer counted them
---@field lead integer?   leading good slots, when asked with prefix = true
---@field after number?  seconds until it is worth asking again (limit, breaker)
---@field afters number[]? the same by slot, where replies were put together
---@field open boolean[]? slots that an open breaker skipped
---@field held weir.Value[]? with a stale miss: the old value, served if all else fails
---@field maybe boolean[]? of a delete: an attempt without an answer may have removed it
---@field numbers (number|ffi.cdata*)[]? of an incr: the sums, of an append: the lengths
---@field copies integer[]? of a mirror's write: the copies that landed, by slot
---@field message string? the first error in words
---@field store string?   who said so
local Reply = {}
Reply.__index = Reply


--- Makes a reply of n slots, or with a slot for each key of a request. Each slot must
--- be set afterwards.
---@param n integer|weir.Request
---@return weir.Reply
function Reply.new(n)
  local req
  if type(n) == "table" then
    req, n = n, n.n
    if req.pooled then return Lend.reply(Reply, req) end
  end
  local self = new_table(n, 8)
  self.n, self.req, self.status = n, req, self
  setmetatable(self, Reply)
  return self
end


--- Makes a reply with the same status in every slot.
---@param req weir.Request
---@param name string a status
---@param message string? of the errors
---@param store string? the store that says so
---@param after number? seconds until another request is worth sending
---@return weir.Reply
function Reply.uniform(req, name, message, store, after)
  local reply = Reply.new(req)
  for i = 1, req.n do reply[i] = name end
  reply.good = name == "ok" and req.n or 0
  reply.message, reply.store, reply.after = message, store, after
  for i = 1, after and req.n or 0 do reply:note("afters", i, after) end
  return reply
end


--- The room for the values: an array `at` of `struct weir_value *` with one place for
--- each slot, `at[i - 1]`. The reply owns the values there.
function Reply:room()
  local values = self.values
  if not values then
    values = self.pooled and Lend.room(self) or Room.of(self, self.n)
    self.values = values
  end
  return values
end


--- Notes a fact of a slot. The table of the fact is made with the first entry.
function Reply:note(name, i, value)
  local list = self[name]
  if not list then
    list = {}
    self[name] = list
  end
  list[i] = value
end


--- Sets the status of a slot. `facts`: value (string or Value), size, ttl, message,
--- store, level, stale, degraded, attempts.
---@param i integer
---@param name string a status
---@param facts table?
function Reply:set(i, name, facts)
  if not rank[name] then
    error(("no status is called %q"):format(tostring(name)), 2)
  end
  self[i] = name
  forget(self)
  if not facts then return end
  if facts.value then
    local room = self:room()
    C.weir_value_unref(room.at[i - 1])
    room.at[i - 1] = Value.pointer(facts.value)
  end
  if facts.size then self:note("sizes", i, facts.size) end
  if facts.ttl then self:note("ttls", i, facts.ttl) end
  if facts.message then self:note("messages", i, facts.message) end
  if facts.store then self:note("stores", i, facts.store) end
  if facts.level then self:note("levels", i, facts.level) end
  if facts.attempts then self:note("tries", i, facts.attempts) end
  if facts.stale then self:note("stale", i, true) end
  if facts.degraded then self:note("degraded", i, true) end
end


--- The `struct weir_value *` of a slot, or nil. The reply keeps its reference.
function Reply:pointer(i)
  local values = self.values
  if not values or not self[i] then return nil end
  local at = values.at[i - 1]
  if at ~= nil then return at end
end


--- The pointer of the first value of more than `size` bytes, or nil.
function Reply:first(size)
  for i = 1, self.values and self.n or 0 do
    local v = self:pointer(i)
    if v and v.size > size then return v end
  end
end


--- The value of a slot as a Lua string, or nil when it has none.
---@param i integer
---@return string?
function Reply:string(i)
  local v = self:pointer(i)
  return v and ffi_string(v.data, v.size)
end


--- The value of a slot, uncopied, or nil when it has none.
---@param i integer
---@return weir.Value?
function Reply:value(i)
  local v = self:pointer(i)
  return v and Value.own(C.weir_value_ref(v))
end


--- Moves the value of a slot out of the reply, which does not own it any more.
function Reply:take(i)
  local v = self:pointer(i)
  if not v then return nil end
  self.values.at[i - 1] = nil
  return Value.own(v)
end


--- Drops the value of a slot.
---@param i integer
function Reply:drop(i)
  local v = self:pointer(i)
  if v then
    Value.discharge(v, tonumber(v.size))
    C.weir_value_unref(v)
    self.values.at[i - 1] = nil
  end
end


--- The size of a slot's value in bytes, also after stat and get_into. With "toobig":
--- the size it would have.
---@param i integer
---@return number?
function Reply:size(i)
  local v = self:pointer(i)
  if v then return tonumber(v.size) end
  return self.sizes and self.sizes[i]
end


--- Seconds left to live (stat), or nil when it never expires.
---@param i integer
---@return number?
function Reply:ttl(i)
  return self.ttls and self.ttls[i]
end


--- The version of a slot's value, for cas; nil when it has none.
---@param i integer
---@return ffi.cdata*? version uint64_t
function Reply:version(i)
  local v = self:pointer(i)
  return v and C.weir_version_of(v.data, v.size)
end


--- The number that an incr (the sum) or append (the new length) answered: a Lua number,
--- or an int64_t where that is not exact.
---@param i integer
---@return (number|ffi.cdata*)?
function Reply:number(i)
  return self.numbers and self.numbers[i]
end


--- The level of the tier that answered a slot: 1 is the first.
---@param i integer
---@return integer?
function Reply:level(i)
  return self.levels and self.levels[i] or (class[self[i]] == "good" and 1 or nil)
end


--- The number of attempts for a slot.
---@param i integer
---@return integer
function Reply:attempts(i)
  return self.tries and self.tries[i] or 1
end


-- Whether the errors have more than one status. That is looked for once, and again when
-- a slot has changed: each of 100,000 slots may be asked for its message.
local function is_mixed(self)
  if self.mixed ~= nil then return self.mixed end
  local first
  self.mixed = false
  for i = 1, self.n do
    if class[self[i]] == "error" then
      first = first or self[i]
      self.mixed = self.mixed or self[i] ~= first
    end
  end
  return self.mixed
end


--- The message of a slot's error, if there is one. The message of the batch belongs to
--- its first error. If errors of another status follow, the text says that.
function Reply:words(i)
  local message = self.messages and self.messages[i]
  if message or not self.message then return message end
  if not is_mixed(self) then return self.message end
  local store = self.store and self.store .. ": " or ""
  return ("%s%s (first of the batch: %s)"):format(store, status.phrase(self[i]),
    self.message)
end


--- The error of a slot, or nil when it is good or a miss.
---@param i integer
---@return weir.Error?
function Reply:error(i)
  local name = self[i]
  if class[name] ~= "error" and name ~= "rejected" then return nil end
  local store = self.stores and self.stores[i] or self.store
  local err = Error.new(name, name ~= "rejected" and self:words(i) or nil, store)
  err.size = name == "toobig" and self:size(i) or nil
  return err
end


-- "miss" is a status and a class: here it is the status, without "rejected".
local function matches(name, kind)
  return name == kind or class[name] == kind and kind ~= "miss"
end


--- How many slots have a status ("miss") or are of class "good" or "error".
---@param kind string
---@return integer
function Reply:count(kind)
  local count = 0
  for i = 1, self.n do
    if matches(self[i], kind) then count = count + 1 end
  end
  return count
end


---@param kind string
---@return boolean
function Reply:all(kind)
  if kind == "good" and self.good then return self.good == self.n end
  for i = 1, self.n do
    if not matches(self[i], kind) then return false end
  end
  return true
end


---@param kind string
---@return boolean
function Reply:any(kind)
  for i = 1, self.n do
    if matches(self[i], kind) then return true end
  end
  return false
end


--- The bytes of all values of the reply.
---@return number
function Reply:bytes()
  local sum = self.sum
  if not sum then
    sum = 0
    for i = 1, self.n do sum = sum + (self:size(i) or 0) end
    self.sum = sum
  end
  return sum
end


--- Drops the values now instead of at the next collection.
function Reply:close()
  local values = self.values
  if not values then return end
  local first = self:first(0)
  if first then Value.discharge(first, self:bytes()) end
  C.weir_values_unref(values)
end


--- Gives a reply back that answered a lent request; does nothing with another one.
--- Nothing may refer to it any more.
Reply.give_back = Lend.take_reply


for name, method in pairs(Merge) do Reply[name] = method end


return Reply
