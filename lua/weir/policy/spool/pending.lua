-- policy/spool/pending.lua: the deletes of a spool that its store does not have yet: by
-- key in memory (shared/dirty.lua), in a journal that survives the process
-- (shared/journal.lua), and the task that sends them again (shared/flusher.lua).
--
-- The nodes of two versions of a policy file that name the same folder share one of
-- these: a delete that the old version keeps in flight is known to the new one. One
-- node at a time owns it, and its store is the one that gets the deletes.
--
-- A delete is `unsure` until the journal has it. Until then its key is read as before,
-- since the delete may yet fail. A set that runs meanwhile counts as an earlier one.

local Beginning = require "weir.policy.shared.beginning"
local Dirty = require "weir.policy.shared.dirty"
local Flusher = require "weir.policy.shared.flusher"
local Generations = require "weir.policy.shared.generations"
local host = require "weir.host"
local Journal = require "weir.policy.shared.journal"

local Pending = {}
Pending.__index = Pending

local open = setmetatable({}, { __mode = "v" }) -- by path


--- Deletes without a journal.
function Pending.new(path)
  local dirty, locks = Dirty.new(0), Generations.new()
  return setmetatable({ path = path, dirty = dirty, locks = locks,
    flusher = Flusher.new(nil, dirty, locks),
    counts = { spooled = 0, dropped = 0, superseded = 0, recovered = 0 } }, Pending)
end


-- Virtual time has no files.
local function is_virtual()
  return host.current().set_clock ~= nil
end


--- The deletes of a folder. Nothing is opened yet.
function Pending.of(path)
  if is_virtual() then return Pending.new(path) end
  open[path] = open[path] or Pending.new(path)
  return open[path]
end


-- Reads the journal. Returns true, or nil, a status and a sentence.
local function recover(self)
  if is_virtual() then return true end
  local list, status, why
  if not self.journal then
    self.journal, status, why = Journal.open(self.path, "none", self)
    if not self.journal then return nil, status, why end
    self.flusher.journal = self.journal
  end
  list, status, why = self.journal:recover()
  if not list then return nil, status, why end
  for _, found in ipairs(list) do
    if found.value then
      return nil, "invalid", self.path .. ": has values: it is not a spool's"
    end
    local entry = Dirty.entry(found.key)
    entry.record, entry.since = found.record, host.now() - self.flusher.after
    self.dirty:put(entry)
  end
  self.counts.recovered = self.counts.recovered + #list
  self.flusher:start()
  return true
end


--- Makes a node (owner.lua) the owner and reads the journal, once. Returns the reply to
--- a request if that fails.
function Pending:begin(req, owner)
  if self.owner ~= owner then
    local flusher, every = self.flusher, owner.options.every
    self.owner, self.dirty.most = owner, owner.options.max
    flusher.store = owner.node.child
    flusher:again()
    flusher.after, flusher.every, flusher.pause = every, every, every
    flusher:hurry(true)
  end
  return Beginning.run(self, req, owner.node.name, recover)
end


--- The delete that waits for a key, or nil.
function Pending:get(key)
  local entry = self.dirty.count > 0 and self.dirty:get(key)
  return entry and not entry.unsure and entry or nil
end


--- How many deletes have waited and do not any more.
function Pending:ended()
  return self.dirty.removed
end


--- The slots of a request whose keys have no delete that waits, or, with waits = true,
--- those that have one.
function Pending:slots(req, waits)
  local slots, n = {}, 0
  for i = 1, req.n do
    if (self:get(req.keys[i]) ~= nil) == (waits or false) then
      n = n + 1
      slots[n] = i
    end
  end
  return slots
end


-- Whether one more key may wait. A key that waits already is no further one.
local function has_room(self, entry)
  local dirty = self.dirty
  return dirty:get(entry.key) ~= nil or dirty.bytes + entry.charge <= dirty.most
end


-- Adds keys as deletes that wait but are unsure. Returns them, and by key why one found
-- no room. A delete that waits already is in the journal.
local function add(self, keys)
  local entries, full = {}, {}
  for _, key in ipairs(keys) do
    local entry = not self:get(key) and Dirty.entry(key)
    if entry and has_room(self, entry) then
      entry.unsure = true
      self.dirty:put(entry)
      entries[#entries + 1] = entry
    elseif entry then
      full[key] = ("%d bytes of deletes wait, there is no room for one more (max = %d)")
        :format(self.dirty.bytes, self.dirty.most)
    end
  end
  return entries, full
end


--- Keeps deletes of keys. Returns by key why one is not kept.
function Pending:keep(keys)
  local entries, refused = add(self, keys)
  local status, why = "ok", nil
  if #entries > 0 and self.journal then status, why = self.journal:append(entries) end
  for _, entry in ipairs(entries) do
    entry.unsure = nil
    if status ~= "ok" then
      self.dirty:remove(entry)
      refused[entry.key] = why
    end
  end
  local counts, dropped = self.counts, 0
  for _ in pairs(refused) do dropped = dropped + 1 end
  counts.dropped = counts.dropped + dropped
  counts.spooled = counts.spooled + (status == "ok" and #entries or 0)
  self.flusher:start()
  return refused
end


--- Ends the deletes of keys that a later write of the store has replaced. Returns a
--- sentence if the journal does not take that: then they stay.
function Pending:finish(keys)
  local entries = {}
  for _, key in ipairs(keys) do entries[#entries + 1] = self.dirty:get(key) end
  if #entries == 0 then return nil end
  if self.journal and not self.journal:clean(entries) then
    self.flusher:again(entries)
    return self.journal.failure or "the journal failed"
  end
  for _, entry in ipairs(entries) do
    if self.dirty:remove(entry) then
      self.counts.superseded = self.counts.superseded + 1
    end
  end
  self.dirty:changed()
  return nil
end


--- Ends the task and gives the folder back. What waits stays in the journal.
function Pending:stop()
  self.flusher:stop()
  if open[self.path] == self then open[self.path] = nil end
  if self.journal then self.journal:close() end
end


return Pending
