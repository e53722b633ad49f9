-- parts/tierwrite.lua: what a tier does with set, delete and touch. The promise: once a
-- write is acknowledged no tier answers with what was there before, whatever
-- failed on the way and whatever ran at the same time.
--
-- The authority is written first; then upper copies are replaced (through) or
-- deleted (around, and wherever the replacing failed). An upper copy that can be
-- neither is suspect: reads pass that tier by for the key until its delete has
-- come through; if even that cannot be noted, the write is not acknowledged. One
-- write a key at a time, and no promotion meanwhile (keys.lua). The whole runs
-- detached: a caller who is killed half-way leaves no tier behind.

local Detach = require "weir.parts.detach"
local host = require "weir.host"
local Policy = require "weir.policy"
local status = require "weir.status"

local Write = {}

-- Cleaning up may outlive the caller's deadline.
local GRACE = 10


local function cleanup_request(req, slots)
  local sub = req:subset(slots)
  sub.op, sub.values, sub.ttl = "delete", nil, nil
  sub.deadline = host.now() + GRACE
  return sub
end


-- No copy at this level is older than the authority's, or reads pass it by.
local function invalidate(self, level, req, slots, reply)
  if #slots == 0 then return end
  local answer = self.children[level]:run(cleanup_request(req, slots))
  for j, i in ipairs(slots) do
    local key = req.keys[i]
    if answer[j] == "ok" or answer[j] == "miss" then
      self.suspects[level]:clear(key)
    elseif not self.suspects[level]:add(key) and status.class[reply[i]] ~= "error" then
      reply:set(i, answer[j], {
        message = self.name .. ": an old copy could not be deleted",
        store = self.children[level].name,
      })
    end
  end
end


local function slots_where(reply, condition)
  local slots = {}
  for i = 1, reply.n do
    if condition(reply[i]) then slots[#slots + 1] = i end
  end
  return slots
end

local function stored(name) return name == "ok" end
local function not_stored(name) return name ~= "ok" end


-- Puts what the authority stored into an upper level.
local function fill(self, level, req, reply)
  local good = slots_where(reply, stored)
  if #good == 0 then return end
  local answer = self.children[level]:run(req:subset(good))
  local failed = {}
  for j, i in ipairs(good) do
    if answer[j] == "ok" then
      self.suspects[level]:clear(req.keys[i])
    else
      failed[#failed + 1] = i
    end
  end
  if #failed > 0 then
    self.counts.repaired = self.counts.repaired + #failed
    invalidate(self, level, req, failed, reply)
  end
end


local function set(self, req)
  local reply = self.children[self.depth]:run(req)
  local failed = slots_where(reply, not_stored)
  for level = self.depth - 1, 1, -1 do
    if self.mode == "through" then
      fill(self, level, req, reply)
      invalidate(self, level, req, failed, reply)
    else
      local every = slots_where(reply, function() return true end)
      invalidate(self, level, req, every, reply)
    end
  end
  return reply
end


-- Bottom-up, so that nothing is left to refill from; the worst error counts, and
-- the key was there if any tier had it.
local function delete(self, req)
  local reply = self.children[self.depth]:run(req)
  for level = self.depth - 1, 1, -1 do
    local answer = self.children[level]:run(req)
    for i = 1, req.n do
      local old, new = reply[i], answer[i]
      local worse = status.rank[new] > status.rank[old]
      if status.class[new] == "error" and worse or new == "ok" and old == "miss" then
        reply:adopt(i, answer, i)
      end
      if status.class[new] ~= "error" then self.suspects[level]:clear(req.keys[i]) end
    end
  end
  return reply
end


-- Upper copies whose time could not be changed go.
local function touch(self, req)
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
    invalidate(self, level, req, failed, reply)
  end
  return reply
end


local OPS = { set = set, delete = delete, touch = touch }


local function locked(self, req)
  local keys = self.keys
  if not keys:lock(req) then return false end
  local ok, reply = pcall(OPS[req.op], self, req)
  keys:bump(req)
  keys:unlock(req)
  if not ok then error(reply, 0) end
  return reply
end


--- Runs a write of a tier.
function Write.run(self, req)
  local op = OPS[req.op]
  if self.immediate then
    -- Nothing can come in between, and nobody can be killed half-way.
    local reply = op(self, req)
    self.keys:bump(req)
    return reply
  end
  local reply = Detach.call(not self.bounded and req.deadline or nil, locked, self, req)
  if reply then return reply end
  local why = reply == nil and "timeout" or "skipped"
  return Policy.all(req, why, self.name .. ": another write of the key is under way")
end


return Write
