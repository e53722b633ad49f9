-- policy/tier/write.lua: a write of a tier. After a write is acknowledged no tier
-- answers with an older value, whatever failed on the way and whatever ran at the same
-- time.
--
-- The authority is written first. Then upper copies are replaced (through) or deleted
-- (around, and wherever replacing failed). An upper copy for which both fail is
-- suspect: reads pass that tier by for the key until a delete has succeeded. If there
-- is no room to note it as suspect, the write is not acknowledged. There is one write
-- of a key at a time, and no promotion of the key meanwhile (generations.lua). The
-- write runs in a task of its own, so a caller that is killed half-way leaves no tier
-- behind.

local Exclusive = require "weir.policy.tier.exclusive"
local Guarded = require "weir.policy.shared.guarded"
local Lent = require "weir.policy.shared.lent"
local status = require "weir.core.status"

local Write = {}

local NONE = {}


local function not_stored(reply)
  if reply.good == reply.n then return NONE end
  local slots = {}
  for i = 1, reply.n do
    if reply[i] ~= "ok" then slots[#slots + 1] = i end
  end
  return slots
end


-- The slots that are stored; nil: all.
local function stored(reply)
  if reply.good == reply.n then return nil end
  local slots = {}
  for i = 1, reply.n do
    if reply[i] == "ok" then slots[#slots + 1] = i end
  end
  return slots
end


local function pick(tickets, slots)
  local some = {}
  for at, i in ipairs(slots or NONE) do some[at] = tickets[i] end
  return slots and some or tickets
end


-- Whether others may have changed a key after this write began.
local function overtaken(self, key, since)
  return self.coherent and self.generations:changed_since(key, since)
end


-- The places of an upper tier's answer whose copies must go: those that were not
-- stored, and those whose keys others may have changed.
local function to_undo(self, req, answer, good, since)
  if not self.coherent then return not_stored(answer) end
  local places = {}
  for j = 1, answer.n do
    local key = req.keys[good and good[j] or j]
    if answer[j] ~= "ok" or overtaken(self, key, since) then
      places[#places + 1] = j
    end
  end
  return places
end


-- Stores the values that the authority stored into an upper tier, or those of `slots`.
-- The write began at `since`. tickets: those of the guard, for the first tier.
local function fill(self, level, req, reply, since, slots, tickets)
  local good, suspects = slots or stored(reply), self.suspects[level]
  if good and #good == 0 then return end
  local some = good and req:subset(good) or req
  local answer = tickets and level == 1 and Guarded.set(self, some, pick(tickets, good))
    or self.children[level]:run(some)
  local failed = to_undo(self, req, answer, good, since)
  for j = 1, suspects:count() > 0 and answer.n or 0 do
    local key = req.keys[good and good[j] or j]
    local undo = answer[j] ~= "ok" or overtaken(self, key, since)
    if not undo then suspects:clear(key) end
  end
  if #failed == 0 then return answer:give_back() end
  self.counts.repaired = self.counts.repaired + answer.n - answer:count "ok"
  answer:give_back()
  for k, j in ipairs(failed) do failed[k] = good and good[j] or j end
  suspects:invalidate(req, failed, reply)
end


local function set_through(self, req, tickets)
  local since = self.generations:now()
  local reply = self.children[self.depth]:run(req)
  local failed = not_stored(reply)
  for level = self.depth - 1, 1, -1 do
    fill(self, level, req, reply, since, nil, tickets)
    self.suspects[level]:invalidate(req, failed, reply)
  end
  return reply
end


-- Deletes the upper copies, whether or not the authority has the new value.
local function write_around(self, req)
  local reply, every = self.children[self.depth]:run(req), Lent.all(req.n)
  for level = self.depth - 1, 1, -1 do
    self.suspects[level]:invalidate(req, every, reply)
  end
  return reply
end


-- Deletes from the authority up, so that no lower tier can refill an upper one. The
-- worst error counts. The key was there if any tier had it.
local function delete(self, req)
  local reply = self.children[self.depth]:run(req)
  for level = self.depth - 1, 1, -1 do
    local answer = self.children[level]:run(req)
    reply:combine(answer)
    for i = 1, req.n do
      if status.class[answer[i]] ~= "error" then
        self.suspects[level]:clear(req.keys[i])
      end
    end
  end
  return reply
end


-- Deletes upper copies whose time could not be changed.
local function touch(self, req)
  if self.exclusive and self.depth == 2 then return Exclusive.touch(self, req) end
  local reply = self.children[self.depth]:run(req)
  for level = self.depth - 1, 1, -1 do
    local answer = self.children[level]:run(req)
    local failed = {}
    for i = 1, req.n do
      local gone = answer[i] == "miss"
      if not gone and (answer[i] ~= "ok" or reply[i] ~= "ok") then
        failed[#failed + 1] = i
      end
    end
    self.suspects[level]:invalidate(req, failed, reply)
  end
  return reply
end


-- The writes without the locks of their keys. Used by write-back.
Write.fill, Write.through, Write.around = fill, set_through, write_around
Write.delete, Write.touch = delete, touch


local SETS = { through = set_through, around = write_around }
local OPS = { delete = delete, touch = touch }

local GUARDED = {}
for _, write in ipairs { set_through, write_around, delete, touch } do
  GUARDED[write] = function(self, req)
    return Guarded.write(self, req, write, delete)
  end
end


--- Runs a write of a tier.
function Write.run(self, req)
  local write = req.op == "set" and SETS[self.mode] or OPS[req.op] or write_around
  if self.guard then write = GUARDED[write] end
  return self.generations:write(self, req, write)
end


return Write
