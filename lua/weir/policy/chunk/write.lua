-- policy/chunk/write.lua: set, delete and touch of chunk, under the locks of the keys.
--
-- A set looks for the head that it replaces, writes the pieces, and then the heads
-- and the small values: a value is there when its head is. Then the old pieces are
-- removed. A set that fails removes its own pieces, unless its head may be there. What
-- is removed is removed in the background, with a time limit of its own. Pieces that a
-- crash, a lost reply or a failed removal leaves behind are found by sweep.lua.

local Heads = require "weir.policy.chunk.heads"
local Pieces = require "weir.policy.chunk.pieces"
local Reply = require "weir.core.reply"
local Value = require "weir.core.value"
local host = require "weir.host"
local status = require "weir.core.status"

local Write = {}

-- Seconds that a removal may take, and how many may run.
local PATIENCE, MOST = 30, 256

local class, rank = status.class, status.rank


-- ---- removing pieces ----

local function remove_now(self, deletes)
  local ok, reply = pcall(self.child.run, self.child, deletes)
  if not ok or reply:any "error" then
    self.counts.left = self.counts.left + (ok and reply:count "error" or deletes.n)
  end
  self.removals = self.removals - 1
end


-- Removes the pieces of some slots' plans.
local function remove(self, req, slots, plans)
  if #slots == 0 then return end
  local deletes = Pieces.request("delete", req, slots, plans)
  deletes.deadline, deletes.trace, deletes.limit = host.now() + PATIENCE, nil, nil
  if self.removals >= MOST then
    self.counts.left = self.counts.left + deletes.n
    return
  end
  self.removals = self.removals + 1
  if self.immediate then return remove_now(self, deletes) end
  host.spawn(remove_now, self, deletes)
end


-- ---- set ----

-- A value that can be cut without a copy.
local function whole_of(value)
  if type(value) == "string" or value.ref == nil then return Value.new(value) end
  return value
end


-- Writes the pieces of the values that are too large for one. Returns the plans of
-- these slots, and by slot the index of the piece that did worst, if any failed.
local function set_pieces(self, req, slots)
  local plans, values = {}, {}
  for _, i in ipairs(slots) do
    plans[i] = Pieces.plan(#req.values[i], self.bytes)
  end
  local sets, owners, numbers = Pieces.request("set", req, slots, plans)
  local wholes = {}
  for j, i in ipairs(owners) do
    wholes[i] = wholes[i] or whole_of(req.values[i])
    values[j] = Pieces.cut(wholes[i], plans[i], numbers[j])
  end
  sets.values, sets.ttls = values, Pieces.times(req, owners)
  local reply, failed = self.child:run(sets), {}
  for j, i in ipairs(owners) do
    local worst = failed[i]
    if reply[j] ~= "ok" and (not worst or rank[reply[j]] > rank[reply[worst]]) then
      failed[i] = j
    end
  end
  self.counts.cut = self.counts.cut + #slots
  self.counts.pieces = self.counts.pieces + sets.n
  return plans, failed, reply
end


-- A value of which a piece was not admitted is not stored, and its older value goes, as
-- where a whole value is not admitted.
local function reject(self, req, reply, slots)
  if #slots == 0 then return end
  local deletes = Pieces.derive(req, "delete", slots)
  local gone = self.child:run(deletes)
  for j, i in ipairs(slots) do
    if class[gone[j]] == "error" then reply:adopt(i, gone, j) end
  end
end


-- Sorts the slots of a set: those that are too large, to cut and small.
local function sort(self, req, reply)
  local large, small = {}, {}
  for i = 1, req.n do
    local size = #req.values[i]
    if size > self.max or size > self.bytes * self.most_pieces then
      reply:set(i, "toobig", { size = size, store = self.name,
        message = ("%s: the value has %d bytes, at most %d are stored"):format(
          self.name, size, math.min(self.max, self.bytes * self.most_pieces)) })
    elseif size > self.bytes then
      large[#large + 1] = i
    else
      small[#small + 1] = i
    end
  end
  return large, small
end


-- Removes the pieces that no head names any more, after a set. failed: the slots whose
-- heads were not written.
local function clean(self, req, reply, old, fresh, failed)
  local replaced, unused = {}, {}
  for i = 1, req.n do
    local name = reply[i]
    local gone = name == "ok" or name == "rejected"
    if old[i] and gone then replaced[#replaced + 1] = i end
    local unsure = not failed[i] and status.applied[name] == "maybe"
    if fresh[i] and name ~= "ok" and not unsure then unused[#unused + 1] = i end
  end
  remove(self, req, replaced, old)
  remove(self, req, unused, fresh)
end


-- The heads and small values of some slots.
local function set_heads(self, req, reply, slots, fresh)
  if #slots == 0 then return end
  local values, sets = {}, req:subset(slots)
  for j, i in ipairs(slots) do
    values[j] = fresh[i] and Pieces.head(fresh[i]) or Pieces.stored(req.values[i])
  end
  reply:place(self.child:run(sets:with { values = values }), slots)
end


function Write.set(self, req)
  local reply, old = Reply.new(req), Heads.find(self, req)
  local large, small = sort(self, req, reply)
  local fresh, failed, rejected, ready = {}, {}, {}, small
  if #large > 0 then
    local pieces
    fresh, failed, pieces = set_pieces(self, req, large)
    for _, i in ipairs(large) do
      if not failed[i] then
        ready[#ready + 1] = i
      else
        reply:adopt(i, pieces, failed[i])
        if reply[i] == "rejected" then rejected[#rejected + 1] = i end
      end
    end
  end
  table.sort(ready)
  set_heads(self, req, reply, ready, fresh)
  reject(self, req, reply, rejected)
  clean(self, req, reply, old, fresh, failed)
  return reply
end


-- ---- delete and touch ----

--- The head goes first: then the value is not there, whatever becomes of its pieces.
function Write.delete(self, req)
  local plans = Heads.find(self, req)
  local reply, gone = self.child:run(req), {}
  for _, i in ipairs(Heads.in_pieces(plans, req.n)) do
    if class[reply[i]] ~= "error" then gone[#gone + 1] = i end
  end
  remove(self, req, gone, plans)
  return reply
end


-- Gives the pieces their new time. Returns the slots whose heads may have it, too.
local function touch_pieces(self, req, reply, plans, slots)
  local ask, owners = Pieces.request("touch", req, slots, plans)
  ask.ttls = Pieces.times(req, owners)
  local pieces = self.child:run(ask)
  for j, i in ipairs(owners) do
    if pieces[j] ~= "ok" and (not reply[i] or rank[pieces[j]] > rank[reply[i]]) then
      reply:adopt(i, pieces, j)
    end
  end
end


--- A value that has lost a piece is not there.
function Write.touch(self, req)
  local plans, looked = Heads.find(self, req)
  local reply, rest = Reply.new(req), {}
  for i = 1, req.n do
    if class[looked[i]] == "error" then reply:adopt(i, looked, i) end
  end
  local slots = Heads.in_pieces(plans, req.n)
  if #slots > 0 then touch_pieces(self, req, reply, plans, slots) end
  for i = 1, req.n do
    if not reply[i] then rest[#rest + 1] = i end
  end
  if #rest > 0 then reply:place(self.child:run(req:subset(rest)), rest) end
  return reply
end


return Write
