-- policy/shared/flusher.lua: brings dirty keys to the authority, in the background
-- and in batches, the newest write of each key. There is one write of a key at a time
-- (`locks`), so the writes of a key arrive in order. A key stays dirty until the
-- authority has its newest write, and until the journal says so. While the journal
-- takes nothing (a full disk), what the authority has got is not sent again. Used by
-- write-back and spool.

local Dirty = require "weir.policy.shared.dirty"
local host = require "weir.host"
local Request = require "weir.core.request"

local Flusher = {}
Flusher.__index = Flusher

local AT_ONCE, AT_ONCE_BYTES = 256, 16 * 2 ^ 20 -- of one batch
local PAUSE, MOST_PAUSE = 0.1, 5 -- seconds after a failure; doubled up to the most


--- store: the authority. dirty, locks: of the write-back. after: seconds that a key may
--- be dirty before it is flushed. every: the pause after a failure in seconds; nil: it
--- doubles from one to the next.
function Flusher.new(store, dirty, locks, after, every)
  return setmetatable({ store = store, dirty = dirty, locks = locks, after = after,
    every = every, urgent = 0, pause = every or PAUSE,
    unnoted = {}, -- entries that were sent, and of which the journal does not know
    counts = { flushed = 0, failed = 0, refused = 0 } }, Flusher)
end


-- Whether keys are flushed although they were not dirty for long: someone waits for
-- it, or half of the room is used.
local function hurries(self)
  return self.urgent > 0 or self.dirty.bytes > self.dirty.most / 2
end


-- The entries of the next batch. Their keys are locked.
local function next_batch(self)
  local batch, bytes, due = {}, 0, host.now() - self.after
  local all = hurries(self)
  self.dirty:each(function(entry)
    if entry.sent then return end
    if #batch > 0 and (#batch >= AT_ONCE or bytes + entry.size > AT_ONCE_BYTES) then
      return false
    end
    if not all and entry.since > due then return false end
    if self.locks:try(entry.key) then
      batch[#batch + 1] = entry
      bytes = bytes + entry.size
    end
  end)
  return batch
end


local function request(op, entries)
  local keys = {}
  for i, entry in ipairs(entries) do keys[i] = entry.key end
  return Request.new(op, keys)
end


local function send(self, op, entries)
  local req = request(op, entries)
  if op == "set" then
    req.values, req.ttls = {}, {}
    for i, entry in ipairs(entries) do
      req.values[i] = entry.value
      req.ttls[i] = entry.ends and math.max(entry.ends - host.now(), 0.001)
    end
  end
  return self.store:run(req)
end


-- What became of an entry by the authority's reply. An authority that does not admit a
-- value has deleted its older one, so there is nothing left to do.
local function outcome(status)
  if status == "ok" or status == "miss" then return "flushed" end
  return status == "rejected" and "refused" or "failed"
end


-- Sends some entries. Adds those that are done to the list.
local function deliver(self, op, entries, done)
  if #entries == 0 then return end
  local ok, reply = pcall(send, self, op, entries)
  if reply == host.KILLED then error(reply, 0) end
  for i, entry in ipairs(entries) do
    local name = ok and reply[i] or "failed"
    local result = outcome(name)
    self.counts[result] = self.counts[result] + 1
    entry.status = result == "failed" and name or nil
    if result ~= "failed" then done[#done + 1] = entry end
  end
end


-- Tells the journal which entries were sent, and removes them. Returns whether that was
-- possible.
local function note(self)
  local list = {}
  for _, entry in ipairs(self.unnoted) do
    entry.listed = entry.sent and self.dirty:get(entry.key) == entry
    list[#list + 1] = entry.listed and entry or nil
  end
  self.unnoted = list
  local noted, status = true, nil
  if #list > 0 and self.journal then noted, status = self.journal:clean(list) end
  for _, entry in ipairs(list) do
    if not noted then entry.status = status end
    if noted and entry.sent then self.dirty:remove(entry) end
  end
  if noted then self.unnoted = {} end
  self.stuck = not noted
  return noted
end


local function tried(entries)
  for _, entry in ipairs(entries) do entry.tries = (entry.tries or 0) + 1 end
end


-- Flushes a batch. Returns whether all of it is done. A value that has expired is
-- flushed as a deletion: the authority may have an older one that lives longer. When
-- the journal is stuck, all that waits is sent before it is tried again.
local function flush(self, batch)
  local sets, deletions, done = {}, {}, {}
  for _, entry in ipairs(batch) do
    table.insert(Dirty.alive(entry) and sets or deletions, entry)
  end
  deliver(self, "set", sets, done)
  deliver(self, "delete", deletions, done)
  for _, entry in ipairs(done) do
    if not entry.listed then self.unnoted[#self.unnoted + 1] = entry end
    entry.sent, entry.listed = true, true
  end
  local complete = #done == #batch
  local more = self.stuck and complete and #batch > 0
  local noted = more or note(self)
  -- After the journal: a caller of flush takes a counted try for a finished one.
  if not more then tried(batch) end
  if not noted then tried(self.unnoted) end
  return noted and complete
end


local function round(self, batch)
  local ok, all = pcall(flush, self, batch)
  for _, entry in ipairs(batch) do self.locks:free(entry.key) end
  if not ok then error(all, 0) end
  return all
end


-- The seconds until the next batch is due.
local function idle_for(self)
  if hurries(self) then return PAUSE end
  return math.max(self.dirty:oldest() + self.after - host.now(), 0.001)
end


-- Waits, at most so long, or until hurry is called. failed: after a failure.
local function rest(self, seconds, failed)
  self.resting, self.failed = host.prepare(), failed
  local _, why = host.park(self.resting, seconds)
  self.resting, self.failed = nil, nil
  if why == "killed" then error(host.KILLED, 0) end
end


local function work(self)
  while self.dirty.count > 0 and not self.stopped do
    local batch = next_batch(self)
    if #batch == 0 and #self.unnoted == 0 then
      rest(self, idle_for(self))
    elseif round(self, batch) then
      self.pause = self.every or PAUSE
      self.dirty:changed()
    else
      self.dirty:changed()
      rest(self, self.pause, true)
      self.pause = self.every or math.min(self.pause * 2, MOST_PAUSE)
    end
  end
  self.running = false
end


local function run(self)
  local ok, err = pcall(work, self)
  self.running = false
  if not ok then error(err, 0) end
end


--- Starts the background task if there is something to do.
function Flusher:start()
  if self.running or self.stopped or self.dirty.count == 0 then return end
  self.running = true
  host.spawn(run, self)
end


--- Lets the task look again. It does not cut a pause after a failure short, unless
--- `now` is true.
function Flusher:hurry(now)
  self:start()
  if self.resting and (now or not self.failed) then host.wake(self.resting) end
end


--- Has entries sent again, because the authority may have lost them. Without a list:
--- all that were sent.
function Flusher:again(entries)
  for _, entry in ipairs(entries or self.unnoted) do entry.sent = nil end
end


--- Ends the background task.
function Flusher:stop()
  self.stopped = true
  if self.resting then host.wake(self.resting) end
  self.dirty:changed()
end


-- The entries among those that are still dirty, or nil. Also whether one of them was
-- not tried again yet.
local function left_of(self, entries, tries)
  local left, waits = nil, false
  for i, entry in ipairs(entries) do
    if self.dirty:get(entry.key) == entry then
      left = left or {}
      left[#left + 1] = entry
      waits = waits or (entry.tries or 0) <= tries[i]
    end
  end
  return left, waits
end


--- Flushes what is dirty now. Returns the entries that could not be flushed, or nil.
--- Each is tried at least once, until the time `by` if given.
function Flusher:flush(by)
  local entries, tries = {}, {}
  self.dirty:each(function(entry)
    entries[#entries + 1] = entry
    tries[#entries] = entry.tries or 0
  end)
  self.urgent = self.urgent + 1
  local ok, result = pcall(function()
    local now = true
    while true do
      local left, waits = left_of(self, entries, tries)
      if not left or not waits or self.stopped then return left end
      self:hurry(now)
      now = false
      if by and host.now() >= by then return left end
      self.dirty:wait(by)
    end
  end)
  self.urgent = self.urgent - 1
  if not ok then error(result, 0) end
  return result
end


return Flusher
