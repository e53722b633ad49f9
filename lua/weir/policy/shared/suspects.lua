-- policy/shared/suspects.lua: the keys of which a store may hold an old copy: one that
-- a later, acknowledged write could neither overwrite nor delete. Reads do not ask the
-- store for these keys until a delete has succeeded. The option old_copies of the word
-- bounds their number. When there is no room, the write must not be acknowledged, and
-- that is counted. Used by tier, mirror, failover, bysize, warmup and migrate, one for
-- each store that holds copies.

local host = require "weir.host"
local Reply = require "weir.core.reply"
local Request = require "weir.core.request"
local status = require "weir.core.status"

local Suspects = {}
Suspects.__index = Suspects

local PAUSE = 1  -- seconds between two attempts to clean up
local ATTEMPT = 1 -- seconds that one may take; writes of its keys wait meanwhile
local AT_ONCE = 256 -- the most keys of one attempt
local HUNG = 60   -- seconds after which a clean-up counts as hung and another may start


--- The option of a word that sets the bound.
Suspects.OPTION = { "old_copies", is = "count", default = 65536,
  help = "keys of which a store may hold an old copy that could not be deleted yet" }


--- locks: the Generations whose locks guard writes of the store, so that a clean-up
--- never deletes what a later write stored. The field deletes_in is the part of the
--- store that may hold old copies: all of it, unless it is set to another one.
function Suspects.new(store, locks, most)
  return setmetatable({
    store = store, deletes_in = store, locks = locks,
    known = { keys = {}, count = 0, cleared = 0, lacks = false },
    most = most, refused = 0, next_attempt = 0,
  }, Suspects)
end


--- Shares the keys of another one over the same store: the nodes of two versions of a
--- tree must see each other's old copies.
function Suspects:adopt(other)
  self.known = other.known
end


function Suspects:count()
  return self.known.count
end


--- How many keys were marked once and are not any more.
function Suspects:cleared()
  return self.known.cleared
end


--- Notes that the store may lack a key that other stores have.
function Suspects:note_lack()
  self.known.lacks = true
end


--- Whether that is so: it lacks the value of which it had an old copy that was deleted.
function Suspects:lacks()
  return self.known.lacks
end


--- The rows of what stats returns, for the words' STATS.
Suspects.STATS = {
  { "old_copies", is = "gauge",
    help = "keys of which a store may hold an old copy that could not be deleted yet" },
  { "old_copies_refused", is = "counter",
    help = "writes refused because old_copies was reached" },
}


--- The counters of several of them: the keys that are marked now, and how often there
--- was no room for one.
function Suspects.stats(list)
  local count, refused = 0, 0
  for _, suspects in ipairs(list) do
    count, refused = count + suspects:count(), refused + suspects.refused
  end
  return count, refused
end


--- The message for a write that cannot be acknowledged for lack of room.
function Suspects:full()
  return ("%d old copies wait to be deleted from %s, there is no room for one more "
    .. "(old_copies = %d)"):format(self.known.count, self.store.name, self.most)
end


--- Marks a key as suspect. false: there is no room for it.
function Suspects:add(key)
  local known = self.known
  if known.keys[key] then return true end
  if known.count >= self.most then
    self.refused = self.refused + 1
    return false
  end
  known.keys[key] = true
  known.count = known.count + 1
  return true
end


--- Notes that the store holds no old copy of the key any more.
function Suspects:clear(key)
  local known = self.known
  if known.count > 0 and known.keys[key] then
    known.keys[key] = nil
    known.count = known.count - 1
    known.cleared = known.cleared + 1
  end
end


function Suspects:has(key)
  local known = self.known
  return known.count > 0 and known.keys[key] ~= nil
end


-- Locks some of the suspect keys. Keys that are being written are left alone.
local function sample(self, most)
  local list, n = {}, 0
  for key in pairs(self.known.keys) do
    if n == most then break end
    if self.locks:try(key, "old") then
      n = n + 1
      list[n] = key
    end
  end
  return list
end


-- Deletes one key first, so that a store that hangs holds up writes of one key only. A
-- delete that hangs keeps its locks, since it may still be applied.
local function clean(self, cleaner)
  local most = 1
  repeat
    local before = self:count()
    local req = Request.new("delete", sample(self, most))
    if req.n == 0 then break end
    req.deadline = host.now() + ATTEMPT
    local ok, reply = pcall(self.deletes_in.run, self.deletes_in, req)
    for i = 1, req.n do
      local gone = ok and (reply[i] == "ok" or reply[i] == "miss")
      if gone then
        self:note_lack()
        self:clear(req.keys[i])
      end
    end
    self.locks:unlock(req)
    local over = host.now() >= req.deadline
      or most == AT_ONCE and self:count() == before
    most = AT_ONCE
  until over or self:count() == 0 or self.cleaner ~= cleaner
  if self.cleaner ~= cleaner then return end
  self.cleaner = nil
  self.next_attempt = host.now() + PAUSE
end


--- Deletes suspect copies in the background, if it is time for an attempt.
function Suspects:clean()
  if self.known.count == 0 then return end
  local now, before = host.now(), self.cleaner
  if before and now < before.begun + HUNG or now < self.next_attempt then return end
  self.cleaner = { begun = now }
  host.spawn(clean, self, self.cleaner)
end


--- Runs a read on the store without its suspect keys. The slots of those are answered
--- skipped.
function Suspects:read(req)
  if self.known.count == 0 then return self.store:run(req) end
  self:clean()
  local fit, keys = {}, self.known.keys
  for i = 1, req.n do
    if not keys[req.keys[i]] then fit[#fit + 1] = i end
  end
  if #fit == req.n then return self.store:run(req) end
  local reply = Reply.uniform(req, "skipped", "an old copy waits to be deleted",
    self.store.name)
  if #fit > 0 then reply:place(self.store:run(req:subset(fit)), fit) end
  return reply
end


--- The slots of a request whose keys are suspect, as a set.
function Suspects:slots(req)
  local slots = {}
  for i = 1, self.known.count > 0 and req.n or 0 do
    slots[i] = self:has(req.keys[i]) or nil
  end
  return slots
end


--- Runs a touch on the store. To callers a copy that may be old is no value: its slot
--- is a miss, and its time stays. old: what slots() returned when the write began.
function Suspects:touch(req, old)
  if not next(old) then return self.store:run(req) end
  local reply, slots = Reply.uniform(req, "miss"), {}
  for i = 1, req.n do
    if not old[i] then slots[#slots + 1] = i end
  end
  if #slots > 0 then reply:place(self.store:run(req:subset(slots)), slots) end
  return reply
end


--- Those of a list as stores that run touches in this way.
function Suspects.touchers(list)
  local stores = {}
  for at, suspects in ipairs(list) do
    stores[at] = { immediate = suspects.store.immediate, run = function(_, req)
      return suspects:touch(req, suspects:slots(req))
    end }
  end
  return stores
end


local function deletion(req, slots)
  local sub = req:subset(slots)
  sub.op, sub.values, sub.ttl, sub.ttls = "delete", nil, nil, nil
  return sub
end


--- Makes sure that the store answers no old copy of the keys of some slots. It deletes
--- the copies, or, if that fails, marks them to be deleted later. If there is no room
--- to mark one, its slot of `reply` becomes an error. Returns whether a copy was
--- deleted.
---@return boolean
function Suspects:invalidate(req, slots, reply)
  if #slots == 0 then return false end
  self:clean()
  local answer, found = self.deletes_in:run(deletion(req, slots)), false
  for j, i in ipairs(slots) do
    local key = req.keys[i]
    found = found or answer[j] == "ok"
    if answer[j] == "ok" or answer[j] == "miss" then
      self:clear(key)
    elseif not self:add(key) and status.class[reply[i]] ~= "error" then
      reply:set(i, answer[j], { store = self.store.name,
        message = "an old copy could not be deleted: " .. self:full() })
    end
  end
  return found
end


return Suspects
