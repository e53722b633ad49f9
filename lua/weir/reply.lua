-- reply.lua: what a store answers: one slot per key, in the order asked for.
-- A reply is the array of its statuses ("ok", "miss", ...), so #reply is the
-- number of slots; reply.status is the reply itself. Values stay in C, counted,
-- behind one finalizer per reply. Made by native.lua and by policies.

local ffi = require "ffi"
local Error = require "weir.error"
local status = require "weir.status"
local Value = require "weir.value"
local C = require("weir.ffi").C

local new_table = require "table.new"
local ffi_gc, ffi_string = ffi.gc, ffi.string
local class, rank = status.class, status.rank

---@class weir.Reply
---@field n integer       slots
---@field status string[] the status of each slot
---@field good integer?   slots that are "ok", where the answerer counted them
---@field lead integer?   leading good slots, when asked with prefix = true
---@field message string? the first error in words
---@field store string?   who said so
local Reply = {}
Reply.__index = Reply

-- Writes: the worst of the copies counts. Other ops are reads.
local WRITES = { set = true, delete = true, touch = true }

-- Facts about a slot besides its status and value: a table each, made when the
-- first slot has one.
local FACTS = {
  "sizes", "ttls", "messages", "stores", "levels", "tries", "stale", "degraded",
  "cursors",
}

-- As weir_values_unref, which is its finalizer, takes it.
local Values = ffi.typeof "struct { uint64_t n; struct weir_value *at[?]; }"
local unref = C.weir_values_unref


--- Makes a reply of n slots, or of as many as a request has keys. Each slot must
--- be set.
---@param n integer|weir.Request
---@return weir.Reply
function Reply.new(n)
  local req
  if type(n) == "table" then req, n = n, n.n end
  local self = new_table(n, 8)
  self.n, self.req, self.status = n, req, self
  return setmetatable(self, Reply)
end


--- The room for `struct weir_value *`, one per slot: `.at[i - 1]`. What is put
--- there belongs to the reply.
function Reply:room()
  local values = self.values
  if not values then
    values = ffi_gc(Values(self.n), unref)
    values.n = self.n
    self.values = values
  end
  return values
end


local function fact(self, name, i, value)
  local list = self[name]
  if not list then
    list = {}
    self[name] = list
  end
  list[i] = value
end


--- Answers a slot. `facts`: value (string or Value), size, ttl, message, store,
--- level, stale, degraded, attempts.
---@param i integer
---@param name string a status
---@param facts table?
function Reply:set(i, name, facts)
  if not rank[name] then
    error(("no status is called %q"):format(tostring(name)), 2)
  end
  self[i] = name
  self.good, self.sum = nil, nil
  if not facts then return end
  if facts.value then
    local room = self:room()
    C.weir_value_unref(room.at[i - 1])
    room.at[i - 1] = Value.pointer(facts.value)
  end
  if facts.size then fact(self, "sizes", i, facts.size) end
  if facts.ttl then fact(self, "ttls", i, facts.ttl) end
  if facts.message then fact(self, "messages", i, facts.message) end
  if facts.store then fact(self, "stores", i, facts.store) end
  if facts.level then fact(self, "levels", i, facts.level) end
  if facts.attempts then fact(self, "tries", i, facts.attempts) end
  if facts.stale then fact(self, "stale", i, true) end
  if facts.degraded then fact(self, "degraded", i, true) end
end


local function pointer(self, i)
  local values = self.values
  if not values or not self[i] then return nil end
  local at = values.at[i - 1]
  if at ~= nil then return at end
end


--- The value of a slot as a Lua string, or nil when it has none.
---@param i integer
---@return string?
function Reply:string(i)
  local v = pointer(self, i)
  return v and ffi_string(v.data, v.size)
end


--- The value of a slot, uncopied, or nil when it has none.
---@param i integer
---@return weir.Value?
function Reply:value(i)
  local v = pointer(self, i)
  return v and Value.own(C.weir_value_ref(v))
end


--- Moves the value of a slot out of the reply; used by the single verbs.
function Reply:take(i)
  local v = pointer(self, i)
  if not v then return nil end
  self.values.at[i - 1] = nil
  if self.n == 1 then ffi_gc(self.values, nil) end
  return Value.own(v)
end


--- Lets go of the value of a slot.
---@param i integer
function Reply:drop(i)
  local values = self.values
  if values then
    C.weir_value_unref(values.at[i - 1])
    values.at[i - 1] = nil
  end
end


--- The size of a slot's value in bytes; of stat and get_into, too, and with
--- "toobig" the size it would have.
---@param i integer
---@return number?
function Reply:size(i)
  local v = pointer(self, i)
  if v then return tonumber(v.size) end
  return self.sizes and self.sizes[i]
end


--- Seconds left to live (stat), or nil when it never expires.
---@param i integer
---@return number?
function Reply:ttl(i)
  return self.ttls and self.ttls[i]
end


--- Which level of a tier answered a slot: 1 is the first.
---@param i integer
---@return integer?
function Reply:level(i)
  return self.levels and self.levels[i] or (class[self[i]] == "good" and 1 or nil)
end


--- How many attempts a slot took.
---@param i integer
---@return integer
function Reply:attempts(i)
  return self.tries and self.tries[i] or 1
end


-- The batch's sentence belongs to its first error; a slot with another status
-- says so.
local function words(self, i)
  local message = self.messages and self.messages[i]
  if message or not self.message then return message end
  for j = 1, self.n do
    if class[self[j]] == "error" and self[j] ~= self[i] then
      local store = self.store and self.store .. ": " or ""
      return ("%s%s (first of the batch: %s)"):format(store,
        status.phrase(self[i]), self.message)
    end
  end
  return self.message
end


--- The error of a slot, or nil when it is good or a miss.
---@param i integer
---@return weir.Error?
function Reply:error(i)
  local name = self[i]
  if class[name] ~= "error" and name ~= "rejected" then return nil end
  local store = self.stores and self.stores[i] or self.store
  local err = Error.new(name, name ~= "rejected" and words(self, i) or nil, store)
  err.size = name == "toobig" and self:size(i) or nil
  return err
end


local function matches(name, kind)
  return name == kind or class[name] == kind and kind ~= "ok"
end


--- How many slots have a status ("miss") or are "good" or of class "error".
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


--- The slots that are not good: what a next store may be asked for.
---@return integer[]
function Reply:residual_slots()
  local slots, count = {}, 0
  for i = 1, self.n do
    if class[self[i]] ~= "good" then
      count = count + 1
      slots[count] = i
    end
  end
  return slots
end


--- A request for the slots that are not good; merge takes its reply.
---@return weir.Request
function Reply:residual()
  self.left = self:residual_slots()
  return self.req:subset(self.left)
end


--- Says of those slots that are errors who said so, and what was said of the first
--- of them, where it holds for others, too.
--- slots: an array of C, n of them.
function Reply:explain_errors(slots, n, message, store)
  local first
  for j = 0, n - 1 do
    local i = slots[j]
    if class[self[i]] == "error" then
      first = first or self[i]
      fact(self, "messages", i, self[i] == first and message or nil)
      fact(self, "stores", i, store)
    end
  end
end


-- The words of another reply's errors, slot by slot.
local function carry_message(self, other, slots)
  for j = 1, other.n do
    if class[other[j]] == "error" then
      fact(self, "messages", slots[j], words(other, j))
      fact(self, "stores", slots[j], other.stores and other.stores[j] or other.store)
    end
  end
end


--- Makes slot i what slot j of another reply is; both keep the value.
---@param i integer
---@param other weir.Reply
---@param j integer
function Reply:adopt(i, other, j)
  local v = pointer(other, j)
  if v or self.values then
    local room = self:room()
    if v then C.weir_value_ref(v) end
    C.weir_value_unref(room.at[i - 1])
    room.at[i - 1] = v
  end
  self[i] = other[j]
  self.good, self.sum = nil, nil
  for k = 1, #FACTS do
    local name = FACTS[k]
    local from = other[name]
    if from or self[name] then fact(self, name, i, from and from[j]) end
  end
  if other.message and class[other[j]] == "error" then
    fact(self, "messages", i, words(other, j))
    fact(self, "stores", i, other.stores and other.stores[j] or other.store)
  end
end


--- Moves all of another reply into this one: its slot j becomes slot slots[j],
--- whatever that was. The other reply is used up.
---@param other weir.Reply
---@param slots integer[]
function Reply:place(other, slots)
  local n, from = other.n, other.values
  if from then
    local to, at = self:room().at, from.at
    for j = 1, n do
      local i = slots[j]
      if to[i - 1] ~= nil then C.weir_value_unref(to[i - 1]) end
      to[i - 1], at[j - 1] = at[j - 1], nil
    end
  elseif self.values then
    local to = self.values.at
    for j = 1, n do
      C.weir_value_unref(to[slots[j] - 1])
      to[slots[j] - 1] = nil
    end
  end
  for j = 1, n do self[slots[j]] = other[j] end
  self.good, self.sum = nil, nil
  for k = 1, #FACTS do
    local name = FACTS[k]
    local list = other[name]
    if list or self[name] then
      for j = 1, n do fact(self, name, slots[j], list and list[j]) end
    end
  end
  if other.message then carry_message(self, other, slots) end
end


-- A good answer wins a read. Between others the better rank does, except that a
-- miss is one only if everybody asked says so: an error wins over it.
local function wins(write, new, old)
  if write then return rank[new] > rank[old] end
  if class[new] == "good" or class[old] == "good" then return class[old] ~= "good" end
  if class[new] ~= class[old] then return class[new] == "error" end
  return rank[new] < rank[old]
end


--- Takes in another store's answers: of reads the best, of writes the worst.
--- `slots` says which of this reply's slots the other's are; by default those of
--- the last residual(), else all.
---@param other weir.Reply
---@param slots integer[]?
---@return weir.Reply self
function Reply:merge(other, slots)
  slots = slots or self.left
  local write = self.req and WRITES[self.req.op] or false
  for j = 1, other.n do
    local i = slots and slots[j] or j
    if not self[i] or wins(write, other[j], self[i]) then self:adopt(i, other, j) end
  end
  return self
end


--- Takes in the answers of one more copy to a write: the worst error counts, and
--- a delete found something if any copy had it.
---@param other weir.Reply
---@param slots integer[]? which of this reply's slots the other's are; default: all
---@return weir.Reply self
function Reply:combine(other, slots)
  for j = 1, other.n do
    local i = slots and slots[j] or j
    local old, new = self[i], other[j]
    local worse = not old or class[new] == "error" and rank[new] > rank[old]
    if worse or new == "ok" and old == "miss" or new == "rejected" and old == "ok" then
      self:adopt(i, other, j)
    end
  end
  return self
end


--- A reply with a slot for each position: where duplicates were asked once.
---@param positions integer[]
---@return weir.Reply
function Reply:expand(positions)
  local wide = Reply.new(#positions)
  wide.req, wide.message, wide.store = self.req, self.message, self.store
  for i = 1, #positions do wide:adopt(i, self, positions[i]) end
  return wide
end


--- Gives the values back now instead of when the collector comes by.
function Reply:close()
  if self.values then unref(self.values) end
end


return Reply
