-- core/merge.lua: joins replies: the slots that are left for another request, and the
-- slots of one reply put into another. Methods of reply.lua.

local Op = require "weir.core.op"
local status = require "weir.core.status"
local C = require("weir.ffi").C

local class, rank = status.class, status.rank

---@class weir.Reply
local Merge = {}

-- The facts of slots besides status and value (Reply:note). A reply that is used again
-- is cleared of them (reply.lua).
local FACTS = {
  "sizes", "ttls", "messages", "stores", "levels", "tries", "stale", "degraded", "held",
  "cursors", "numbers", "copies", "afters", "open", "maybe",
}
Merge.FACTS = FACTS


-- Drops the sums that are kept of all slots, since a slot has changed. A field that is
-- nil already is left alone: assigning nil would make LuaJIT add its key to the table,
-- and each growth of the table counts all slots.
local function forget(self)
  if self.good ~= nil then self.good = nil end
  if self.sum ~= nil then self.sum = nil end
  if self.mixed ~= nil then self.mixed = nil end
end
Merge.forget = forget


--- The slots that are not good: a next store may be asked for these.
---@return integer[]
function Merge:residual_slots()
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
function Merge:residual()
  self.left = self:residual_slots()
  return self.req:subset(self.left)
end


--- Notes for the slots that are errors which store said so, and for the first of them,
--- and those with its status, the message. slots: an array of C with n slots.
function Merge:explain_errors(slots, n, message, store)
  local first
  for j = 0, n - 1 do
    local i = slots[j]
    if class[self[i]] == "error" then
      first = first or self[i]
      self:note("messages", i, self[i] == first and message or nil)
      self:note("stores", i, store)
    end
  end
end


-- Copies the messages of another reply's errors, slot by slot.
local function carry_message(self, other, slots)
  for j = 1, other.n do
    if class[other[j]] == "error" then
      self:note("messages", slots[j], other:words(j))
      self:note("stores", slots[j], other.stores and other.stores[j] or other.store)
    end
  end
end


--- Copies slot j of another reply to slot i. Both keep the value.
---@param i integer
---@param other weir.Reply
---@param j integer
function Merge:adopt(i, other, j)
  local v = other:pointer(j)
  if v or self.values then
    local room = self:room()
    if v then C.weir_value_ref(v) end
    C.weir_value_unref(room.at[i - 1])
    room.at[i - 1] = v
  end
  self[i] = other[j]
  forget(self)
  for k = 1, #FACTS do
    local name = FACTS[k]
    local from = other[name]
    if from or self[name] then self:note(name, i, from and from[j]) end
  end
  if other.message and class[other[j]] == "error" then
    self:note("messages", i, other:words(j))
    self:note("stores", i, other.stores and other.stores[j] or other.store)
  end
end


--- Moves all slots of another reply into this one: its slot j replaces slot slots[j].
--- The other reply is empty afterwards.
---@param other weir.Reply
---@param slots integer[]
function Merge:place(other, slots)
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
  forget(self)
  for k = 1, #FACTS do
    local name = FACTS[k]
    local list = other[name]
    if list or self[name] then
      for j = 1, n do self:note(name, slots[j], list and list[j]) end
    end
  end
  if other.message then carry_message(self, other, slots) end
end


-- Whether the new answer to a slot replaces the old one. Of a read a good answer wins.
-- Otherwise the better rank wins, except that an error wins over a miss: a read is a
-- miss only if all stores said so.
local function wins(write, new, old)
  if write then return rank[new] > rank[old] end
  if class[new] == "good" or class[old] == "good" then return class[old] ~= "good" end
  if class[new] ~= class[old] then return class[new] == "error" end
  return rank[new] < rank[old]
end


--- Joins the answers of another store: of reads the best, of writes the worst. slots:
--- the slots of this reply that they belong to; default: those of the last residual(),
--- else all.
---@param other weir.Reply
---@param slots integer[]?
---@return weir.Reply self
function Merge:merge(other, slots)
  slots = slots or self.left
  local write = self.req and Op.writes[self.req.op] or false
  for j = 1, other.n do
    local i = slots and slots[j] or j
    if not self[i] or wins(write, other[j], self[i]) then self:adopt(i, other, j) end
  end
  return self
end


--- Joins the answers of one more copy to a write. The worst error counts. A delete
--- found something if any copy had it.
---@param other weir.Reply
---@param slots integer[]? which of this reply's slots the other's are; default: all
---@return weir.Reply self
function Merge:combine(other, slots)
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


--- A reply with a slot for each position, for keys that came twice and were requested
--- once.
---@param positions integer[]
---@return weir.Reply
function Merge:expand(positions)
  local wide = self.new(#positions)
  wide.req, wide.message, wide.store = self.req, self.message, self.store
  for i = 1, #positions do wide:adopt(i, self, positions[i]) end
  return wide
end


return Merge
