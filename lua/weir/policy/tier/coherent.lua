-- policy/tier/coherent.lua: keeps the copies of a tier right although others write to
-- its authority. The authority tells of every changed key (core/events.lua), and the
-- copies of that key are deleted. A read or write that was under way then makes no copy
-- (policy/shared/generations.lua).
--
-- Sight is lost when the authority may miss changes, for example because its connection
-- broke. From then on any copy may be old: the upper tiers are not asked or, with
-- coherent = "stale", what they answer is marked stale. When sight is regained the
-- upper tiers are emptied before they serve again. A tier begins without sight, so
-- copies that an earlier process left in a store go, too.
--
-- Own writes come back as changes, since the authority cannot tell them apart for sure.
-- Then a copy goes that was right, and the next read makes it again.
--
-- A copy in a tier that has to be waited for cannot be deleted at once. Until it is,
-- the key is suspect there (policy/shared/suspects.lua). If there is no room for one
-- more suspect key, that counts as sight lost.

local Emptying = require "weir.policy.shared.emptying"
local host = require "weir.host"
local Reply = require "weir.core.reply"
local Request = require "weir.core.request"

local Coherent = {}
Coherent.__index = Coherent

local PAUSE = 1 -- seconds until an attempt to empty a tier that failed is repeated


--- What tier's STATS has of it.
Coherent.STATS = {
  { "invalidations", is = "counter", help = "keys that changed elsewhere" },
  { "sight", is = "gauge", help = "1 while every change elsewhere is noticed, else 0" },
  { "sight_losses", is = "counter", help = "times that sight was lost" },
  { "sight_lost", is = "counter", unit = "seconds",
    help = "seconds without sight, in which the upper stores were not served" },
  { "withheld", is = "counter",
    help = "keys that an upper store was not asked for, or answered marked stale" },
}


--- stale: whether copies are served, marked, while sight is lost.
function Coherent.new(node, stale)
  node.generations:watch()
  return setmetatable({
    node = node, stale = stale,
    -- Shared by the nodes of two versions of a tree:
    state = { sees = false, since = host.now(), whole = {}, epoch = 0,
      emptying = false, retry = 0,
      counts = { invalidations = 0, losses = 0, lost = 0, withheld = 0 } },
  }, Coherent)
end


--- Shares the state of the node that stood here before a reload, over the same stores.
function Coherent:adopt(other)
  self.state = other.state
end


--- Makes the upper tiers be emptied before they serve again.
function Coherent:suspect_all()
  local state = self.state
  state.epoch, state.whole = state.epoch + 1, {}
  self.node.generations:changed_all()
end


-- ---- events ----

local function lose(self, why)
  local state = self.state
  state.why = why
  if not state.sees then return end
  state.sees, state.since = false, host.now()
  state.counts.losses = state.counts.losses + 1
end


local function regain(self)
  local state = self.state
  if state.sees then return end
  state.sees = true
  state.counts.lost = state.counts.lost + host.now() - state.since
  self:suspect_all()
end


-- Keeps reads of a key from a tier until its copy is deleted. false: there is no room.
local function suspect(suspects, keys)
  for _, key in ipairs(keys) do
    if not suspects:add(key) then return false end
  end
  suspects:clean()
  return true
end


-- Deletes copies in a tier that answers in place. Returns the keys that may be left.
local function delete_now(store, keys)
  local req, left = Request.new("delete", keys), {}
  local reply = store:run(req)
  for i = 1, req.n do
    if reply[i] ~= "ok" and reply[i] ~= "miss" then left[#left + 1] = req.keys[i] end
  end
  return left
end


local function drop(self, keys)
  local node, counts = self.node, self.state.counts
  node.generations:changed(keys)
  counts.invalidations = counts.invalidations + #keys
  for level = 1, node.depth - 1 do
    local store, left = node.children[level], keys
    if store.immediate then left = delete_now(store, keys) end
    if #left > 0 and not suspect(node.suspects[level], left) then
      lose(self, node.suspects[level]:full())
      regain(self)
    end
  end
end


--- An event of the authority. `what`: its keys, or why sight is lost.
function Coherent:hear(event, what)
  if event == "lost" then return lose(self, what) end
  if event == "regained" then return regain(self) end
  if self.state.sees then drop(self, what) end
end


-- ---- emptying the upper tiers ----

local function empty_all(self)
  local state = self.state
  local epoch = state.epoch
  local function goes_on() return state.epoch == epoch end
  for level = 1, self.node.depth - 1 do
    if not state.whole[level] then
      local ok, emptied = pcall(Emptying.run, self.node.children[level], goes_on)
      if state.epoch ~= epoch then break end
      -- What was evicted or read from the tier meanwhile may be on its way to another.
      self.node.generations:changed_all()
      state.whole[level] = ok and emptied
      if not state.whole[level] then state.retry = host.now() + PAUSE end
    end
  end
  state.emptying = false
end


--- Whether an upper tier may be asked now, as always.
function Coherent:serves(level)
  return self.state.sees and self.state.whole[level]
end


-- How a tier may be asked now: nil, as always; or "withheld", or "stale".
local function restriction(self, level)
  local state = self.state
  if state.sees then
    if state.whole[level] then return nil end
    if not state.emptying and host.now() >= state.retry then
      state.emptying = true
      host.spawn(empty_all, self)
      if state.whole[level] then return nil end
    end
  end
  return self.stale and "stale" or "withheld"
end


-- ---- reading ----

local function withhold(self, req)
  local counts = self.state.counts
  counts.withheld = counts.withheld + req.n
  if req.trace then req.trace:decide(self.node, self:describe()) end
  return Reply.uniform(req, "skipped", self:describe(), self.node.name)
end


local function mark_stale(self, reply)
  local counts = self.state.counts
  for i = 1, reply.n do
    if reply[i] == "ok" then
      counts.withheld = counts.withheld + 1
      reply:set(i, "ok", { stale = true })
    end
  end
  return reply
end


-- Takes back what a read found if it changed while the read was under way.
local function drop_changed(self, req, reply, since)
  local generations = self.node.generations
  for i = 1, reply.n do
    if reply[i] == "ok" and generations:changed_since(req.keys[i], since) then
      reply:drop(i)
      reply:set(i, "skipped")
    end
  end
  return reply
end


--- Runs a read on an upper tier. Returns the reply, and whether the tier was not asked.
function Coherent:read(level, req)
  local node = self.node
  local before = restriction(self, level)
  if before == "withheld" then return withhold(self, req), true end
  local since = node.generations:now()
  local reply = node.suspects[level]:read(req)
  if not node.children[level].immediate then
    local after = restriction(self, level)
    if after == "withheld" then return withhold(self, req), true end
    if after == nil and before == nil then
      return drop_changed(self, req, reply, since), false
    end
  end
  return before == nil and reply or mark_stale(self, reply), false
end


-- ---- what is told ----

--- Whether changes are noticed, in words.
function Coherent:describe()
  local state = self.state
  if not state.sees then
    return "sight of the last store is lost" .. (state.why and ": " .. state.why or "")
  end
  for level = 1, self.node.depth - 1 do
    if not state.whole[level] then return "the upper stores are being emptied" end
  end
  return "coherent"
end


--- The numbers of STATS.
function Coherent:tally(into)
  local state, counts = self.state, self.state.counts
  into.invalidations, into.sight_losses = counts.invalidations, counts.losses
  into.withheld, into.sight = counts.withheld, state.sees and 1 or 0
  into.sight_lost = counts.lost + (state.sees and 0 or host.now() - state.since)
end


return Coherent
