-- policy/chunk/read.lua: reads of chunk. All values of a get are read at once, then all
-- pieces of those that are heads, straight into the memory of the value.
--
-- A head names the salt of its pieces, and no other value has pieces with it. So no
-- value is put together from pieces of two. If a piece is missing, another set may have
-- removed it, so the head is read again. If it is the same, the piece was evicted or
-- has expired: the value is not there, and the slot is a miss.

local ffi = require "ffi"
local Heads = require "weir.policy.chunk.heads"
local Lent = require "weir.policy.shared.lent"
local Pieces = require "weir.policy.chunk.pieces"
local status = require "weir.core.status"
local Value = require "weir.core.value"

local Read = {}

-- The most tries to read a value that others keep replacing.
local ROUNDS = 4

local char_ptr = ffi.typeof "char *"
local class = status.class


local function explain(self, reply, i, name, message, size)
  reply:drop(i)
  reply:set(i, name, { store = self.name, size = size,
    message = self.name .. ": " .. message })
end


-- ---- memory for values ----

-- The memory that the pieces of a slot are read into: the caller's, if it is large
-- enough, or that of a new value.
local function room_for(req, i, plan)
  if req.buffers then
    return plan.length <= req.caps[i] and ffi.cast(char_ptr, req.buffers[i]) or nil
  end
  local to
  local value = Value.build(plan.length, function(data) to = data end)
  return to, value
end


-- Finds room for the slots. Returns those that have room, and where it is.
local function make_rooms(self, req, reply, slots, plans)
  local kept, rooms, values = {}, {}, {}
  for _, i in ipairs(slots) do
    local length = plans[i].length
    if length > self.max then
      explain(self, reply, i, "toobig", "the value is larger than max", length)
    else
      local fine, to, value = pcall(room_for, req, i, plans[i])
      if not fine then
        explain(self, reply, i, "failed", "out of memory")
      elseif not to then
        explain(self, reply, i, "toobig", "the value is larger than the buffer", length)
      else
        kept[#kept + 1], rooms[i], values[i] = i, to, value
      end
    end
  end
  return kept, rooms, values
end


-- ---- the pieces of some slots ----

-- The worse of two results for pieces: an error is the index of its piece.
local WORSE = { ok = 1, missing = 2, corrupt = 3 }

local function worse(a, b)
  if type(a) == "number" then return a end
  if type(b) == "number" then return b end
  return WORSE[a] > WORSE[b] and a or b
end


local function judge_piece(pieces, j, size)
  local name = pieces[j]
  if name == "ok" then
    return (not size or pieces:size(j) == size) and "ok" or "corrupt"
  end
  if name == "toobig" and size then return "corrupt" end
  return class[name] == "error" and j or "missing"
end


-- What became of the pieces of each slot: "ok", "missing", "corrupt", or the index of
-- the first piece that is an error. plans: of pieces whose sizes are known.
local function judge(pieces, owners, numbers, plans)
  local found = {}
  for j = 1, pieces.n do
    local i = owners[j]
    local size = plans and Pieces.size(plans[i], numbers[j])
    found[i] = worse(found[i] or "ok", judge_piece(pieces, j, size))
  end
  return found
end


local function land(self, reply, i, plan, value)
  reply:drop(i)
  self.counts.joined = self.counts.joined + 1
  if value then
    reply:set(i, "ok", { value = value })
  else
    reply:set(i, "ok", { size = plan.length })
  end
end


-- Reads the pieces of some slots. Returns the slots with a piece that is not there.
local function read_pieces(self, req, reply, slots, plans)
  local rooms, values
  slots, rooms, values = make_rooms(self, req, reply, slots, plans)
  if #slots == 0 then return {} end
  local ask, owners, numbers = Pieces.request("get", req, slots, plans)
  ask.buffers, ask.caps, ask.given = {}, {}, { values, req.given }
  for j, i in ipairs(owners) do
    ask.buffers[j] = rooms[i] + numbers[j] * plans[i].piece
    ask.caps[j] = Pieces.size(plans[i], numbers[j])
  end
  local pieces, missing = self.child:run(ask), {}
  local found = judge(pieces, owners, numbers, plans)
  for _, i in ipairs(slots) do
    if found[i] == "ok" then
      land(self, reply, i, plans[i], values[i])
    elseif found[i] == "missing" then
      missing[#missing + 1] = i
    elseif found[i] == "corrupt" then
      self.counts.corrupt = self.counts.corrupt + 1
      explain(self, reply, i, "corrupt",
        "a piece has another length than the head says")
    else
      reply:adopt(i, pieces, found[i])
      reply:drop(i)
    end
  end
  return missing
end


-- ---- heads ----

-- Puts what follows the head of a value into the reply, or says what is wrong with it.
-- Returns the plan of a value that is in pieces.
local function open(self, reply, i)
  local pointer = reply:pointer(i)
  local kind, plan = Pieces.read(pointer)
  if kind == "pieces" then return plan end
  if kind == "stored" then
    if tonumber(pointer.size) - 16 > self.max then
      explain(self, reply, i, "toobig", "the value is larger than max",
        tonumber(pointer.size) - 16)
      return nil
    end
    local room, body = reply:room(), Pieces.body(pointer)
    self.c.weir_value_unref(room.at[i - 1])
    room.at[i - 1] = self.c.weir_value_ref(body.ref)
    body:close()
    reply.sum = nil
  elseif kind == "plain" and self.plain then
    self.counts.plain = self.counts.plain + 1
  else
    self.counts.corrupt = self.counts.corrupt + 1
    explain(self, reply, i, "corrupt",
      "not a value that this word made, or it is damaged")
  end
end


-- Opens the values of some slots. Returns the plans of those that are in pieces.
local function open_all(self, reply, slots)
  local plans = {}
  for _, i in ipairs(slots) do
    if reply:pointer(i) then plans[i] = open(self, reply, i) end
  end
  return plans
end


-- Compares the heads of slots, of which a piece is missing, with those that were read
-- since. Returns the slots that have another head now. Where the head is the same, the
-- value is broken: a miss.
local function changed_slots(self, reply, slots, plans, fresh)
  local changed = {}
  for _, i in ipairs(slots) do
    local before, now = plans[i], fresh[i]
    plans[i] = now
    if now and now.salt == before.salt then
      reply:drop(i)
      reply:set(i, "miss")
      self.counts.broken = self.counts.broken + 1
    elseif now then
      changed[#changed + 1] = i
    end
  end
  return changed
end


-- Asks for the pieces of some slots, then for the heads of those with a piece missing,
-- until none has another head any more. ask and ask_again return the slots that are
-- left.
local function settle(self, req, reply, plans, ask, ask_again)
  local slots = Heads.in_pieces(plans, req.n)
  for _ = 1, ROUNDS do
    if #slots > 0 then slots = ask(self, req, reply, slots, plans) end
    if #slots == 0 then return end
    slots = ask_again(self, req, reply, slots, plans)
  end
  for _, i in ipairs(slots) do
    explain(self, reply, i, "busy", "the value was replaced while it was read")
  end
end


local function read_again(self, req, reply, slots, plans)
  reply:place(self.child:run(Lent.private(req):subset(slots)), slots)
  return changed_slots(self, reply, slots, plans, open_all(self, reply, slots))
end


--- Answers a get.
function Read.get(self, req)
  local reply = self.child:run(Lent.private(req))
  local plans = open_all(self, reply, Lent.all(req.n))
  settle(self, req, reply, plans, read_pieces, read_again)
  return Lent.land(req, reply)
end


-- ---- exists and stat ----

-- Asks for the pieces of some slots. Returns the slots with a piece that is not there.
local function look_for_pieces(self, req, reply, slots, plans)
  local ask, owners = Pieces.request("exists", req, slots, plans)
  local pieces, missing = self.child:run(ask), {}
  local found = judge(pieces, owners)
  for _, i in ipairs(slots) do
    if type(found[i]) == "number" then
      reply:adopt(i, pieces, found[i])
    elseif found[i] == "missing" then
      missing[#missing + 1] = i
    else
      reply:note("sizes", i, plans[i].length)
    end
  end
  return missing
end


local function look_again(self, req, reply, slots, plans)
  local heads, looked = Heads.find(self, req:subset(slots))
  local fresh = {}
  reply:place(looked, slots)
  for j, i in ipairs(slots) do fresh[i] = heads[j] end
  return changed_slots(self, reply, slots, plans, fresh)
end


--- Answers exists and stat: a value is there if all of its pieces are.
function Read.look(self, req)
  local plans, reply = Heads.find(self, req)
  settle(self, req, reply, plans, look_for_pieces, look_again)
  return reply
end


return Read
