-- policy/tier/back_write.lua: the writes of a write-back, under the locks of their
-- keys. A write that fits goes into the journal, then it is dirty, then the upper
-- stores get it. The dirty entry answers reads until the authority has the write, so an
-- upper store that fails or evicts loses nothing. Used by write-back.

local Dirty = require "weir.policy.shared.dirty"
local host = require "weir.host"
local Reply = require "weir.core.reply"
local Write = require "weir.policy.tier.write"

local BackWrite = {}


local function full(self)
  return ("%s: %d bytes are dirty (max_dirty = %d)"):format(self.node.name,
    self.dirty.bytes, self.dirty.most)
end


-- ---- dirty ----

-- Brings the upper stores up to date: the first one gets the values, the others lose
-- their copies.
local function settle_above(self, req, reply, slots, op)
  if #slots == 0 then return end
  local node = self.node
  local from = 1
  if op == "set" then
    Write.fill(node, 1, req, reply, nil, slots)
    from = 2
  end
  for level = from, node.depth - 1 do
    node.suspects[level]:invalidate(req, slots, reply)
  end
end


-- Keeps room for an entry until it is dirty.
local function reserve(self, entry)
  self.reserved = self.reserved + entry.charge
  self.reserved_keys[entry.key] = true
end


-- Makes entries dirty, those that the journal has. entries[k] belongs to slots[k].
local function take(self, entries, slots, reply)
  local status, message = "ok", nil
  if self.journal and #entries > 0 then
    status, message = self.journal:append(entries)
  end
  local taken = {}
  for k, i in ipairs(slots) do
    self.reserved = self.reserved - entries[k].charge
    self.reserved_keys[entries[k].key] = nil
    if status == "ok" then
      if self.dirty:put(entries[k]) then
        self.counts.superseded = self.counts.superseded + 1
      end
      reply:set(i, "ok")
      taken[#taken + 1] = i
    else
      reply:set(i, status, { message = message, store = self.node.name })
    end
  end
  if status ~= "ok" then self.dirty:changed() end
  self.flusher:start()
  return taken
end


-- Whether there is room for an entry beside those that are being journalled.
local function fits(self, entry)
  return not entry.value
    or self.reserved + self.dirty.bytes + entry.charge <= self.dirty.most
    or self.reserved == 0 and self.dirty:fits(entry)
end


-- Waits for room. false: the deadline came first.
local function wait_for_room(self, req, entry)
  self.counts.blocked = self.counts.blocked + 1
  self.flusher.urgent = self.flusher.urgent + 1
  local ok, room = pcall(function()
    while not fits(self, entry) do
      self.flusher:hurry()
      if req.deadline and host.now() >= req.deadline then return false end
      self.dirty:wait(req.deadline)
    end
    return true
  end)
  self.flusher.urgent = self.flusher.urgent - 1
  if not ok then error(room, 0) end
  return room
end


-- Whether an entry may become dirty: true, false (it is written through), or nil: it is
-- refused.
local function admit(self, req, entry)
  if self.retired then return false end
  if fits(self, entry) then return true end
  if self.on_full == "through" or entry.charge > self.dirty.most then return false end
  if self.on_full == "block" and wait_for_room(self, req, entry) then return true end
  return nil
end


-- ---- through ----

-- Writes some slots to the authority at once, under the flush locks of their keys. An
-- older dirty write of such a key is superseded if the authority has the new one.
local function through(self, req, slots, reply)
  if #slots == 0 then return end
  local sub = req:subset(slots)
  self.counts.through = self.counts.through + #slots
  if not self.locks:lock(sub) then
    for _, i in ipairs(slots) do
      reply:set(i, "skipped", { message = full(self) .. ", and its flush hangs" })
    end
    return
  end
  local ok, answer = pcall(Write.through, self.node, sub)
  local done = {}
  for j = 1, ok and sub.n or 0 do
    local entry = self.dirty:get(sub.keys[j])
    if entry and answer[j] == "ok" then done[#done + 1] = entry end
  end
  local noted = #done == 0 or not self.journal or self.journal:clean(done)
  for _, entry in ipairs(noted and done or {}) do self.dirty:remove(entry) end
  if not noted then self.flusher:again(done) end
  self.locks:unlock(sub)
  if not ok then error(answer, 0) end
  reply:place(answer, slots)
  for _, entry in ipairs(noted and {} or done) do
    for _, i in ipairs(slots) do
      if req.keys[i] == entry.key then
        reply:set(i, "failed", { message = self.journal.failure })
      end
    end
  end
  self.dirty:changed()
end


-- ---- the ops ----

local function ends_of(req, i)
  local ttl = req:ttl_of(i)
  return ttl and host.now() + ttl
end


local function set(self, req)
  local reply = Reply.uniform(req, "busy", nil, self.node.name)
  local entries, kept, passed = {}, {}, {}
  local function commit()
    settle_above(self, req, reply, take(self, entries, kept, reply), "set")
    entries, kept = {}, {}
  end
  for i = 1, req.n do
    local entry = Dirty.entry(req.keys[i], req.values[i], ends_of(req, i))
    -- Before it waits for room it gives back what it has reserved.
    if not fits(self, entry) then commit() end
    local yes = admit(self, req, entry)
    if yes then
      reserve(self, entry)
      entries[#entries + 1], kept[#kept + 1] = entry, i
    elseif yes == false then
      passed[#passed + 1] = i
    else
      self.counts.busy = self.counts.busy + 1
      reply:set(i, "busy", { message = full(self), store = self.node.name })
    end
  end
  commit()
  through(self, req, passed, reply)
  return reply
end


-- Splits the slots by whether their keys are dirty.
local function split(self, req)
  local dirty, clean = {}, {}
  for i = 1, req.n do
    table.insert(self.dirty:get(req.keys[i]) and dirty or clean, i)
  end
  return dirty, clean
end


local function delete(self, req)
  local reply, entries, kept = Reply.uniform(req, "miss"), {}, {}
  local dirty, clean = split(self, req)
  for _, i in ipairs(dirty) do
    if Dirty.alive(self.dirty:get(req.keys[i])) then
      local entry = Dirty.entry(req.keys[i])
      reserve(self, entry)
      entries[#entries + 1], kept[#kept + 1] = entry, i
    end
  end
  settle_above(self, req, reply, take(self, entries, kept, reply), "delete")
  if #clean > 0 then
    reply:place(Write.delete(self.node, req:subset(clean)), clean)
  end
  return reply
end


-- A touch of a dirty key is a set of the same value.
local function touch(self, req)
  local reply = Reply.uniform(req, "miss")
  local dirty, clean = split(self, req)
  local values, ttls, slots = {}, {}, {}
  for _, i in ipairs(dirty) do
    local entry = self.dirty:get(req.keys[i])
    if Dirty.alive(entry) then
      local n = #slots + 1
      slots[n], values[n], ttls[n] = i, entry.value, req:ttl_of(i)
    end
  end
  if #slots > 0 then
    local again = req:subset(slots)
    again.op, again.values, again.ttl, again.ttls = "set", values, nil, ttls
    reply:place(set(self, again), slots)
  end
  if #clean > 0 then
    reply:place(Write.touch(self.node, req:subset(clean)), clean)
  end
  return reply
end


-- Other writes go to the authority, when it has all that is dirty of their keys.
local function other(self, req)
  self.flusher:flush(req.deadline)
  local reply, dirty, clean = Reply.uniform(req, "miss"), split(self, req)
  for _, i in ipairs(dirty) do
    reply:set(i, "busy", { store = self.node.name, message = ("%s: the last write of "
      .. "the key could not be flushed yet"):format(self.node.name) })
  end
  if #clean > 0 then
    reply:place(Write.around(self.node, req:subset(clean)), clean)
  end
  return reply
end


local OPS = { set = set, delete = delete, touch = touch }

--- Runs a write.
function BackWrite.run(self, req)
  return (OPS[req.op] or other)(self, req)
end


return BackWrite
