-- policy/shared/promotion.lua: the background half of a tier: copies of what was found
-- below go up, in small batches, only if the key was not written since the read began,
-- and never while it is being written. What expires meanwhile stays expired: the source
-- is asked for the time to live just before. Bounded; the oldest goes when there is no
-- room. A failure here changes no reply; it is counted.
--
-- A store that hangs holds up no other copies: after LONGEST seconds a turn is left
-- behind. If it was writing, its keys stay locked until its write has ended, since
-- that may still come through. When MOST_HUNG turns hang no further copies are made.

local Detach = require "weir.policy.shared.detach"
local host = require "weir.host"
local Request = require "weir.core.request"

local Promotion = {}
Promotion.__index = Promotion

local AT_ONCE = 64
local PATIENCE = 10 -- seconds for one request
local LONGEST = 3 * PATIENCE -- seconds for one turn: stat, set, and delete
local MOST_HUNG = 8
local DRIFT = 0.01  -- a copy may outlive its source by that many seconds, or share


--- generations: those of the node, shared with its writes. most_keys, most_bytes: the
--- bounds of the queue.
function Promotion.new(generations, most_keys, most_bytes)
  return setmetatable({
    generations = generations, most_keys = most_keys, most_bytes = most_bytes,
    queue = {}, head = 1, tail = 0, bytes = 0, pending = {},
    running = false, hung = 0,
    counts = { stored = 0, superseded = 0, expired = 0, dropped = 0, rejected = 0,
      failed = 0 },
  }, Promotion)
end


local function forget(self, entry)
  self.bytes = self.bytes - #entry.value
  self.pending[entry.key] = nil
end


local function drop_oldest(self)
  local entry = self.queue[self.head]
  self.queue[self.head] = nil
  self.head = self.head + 1
  forget(self, entry)
  self.counts.dropped = self.counts.dropped + 1
end


--- Asks for copies of a value in `targets`, stores that said they miss it.
--- source: where it was found; since: the clock of keys when the read began.
function Promotion:add(key, value, source, targets, since)
  if self.pending[key] then return end
  if self.hung >= MOST_HUNG then
    self.counts.dropped = self.counts.dropped + 1
    return
  end
  self.pending[key] = true
  self.tail = self.tail + 1
  self.queue[self.tail] = { key = key, value = value, source = source,
    targets = targets, since = since }
  self.bytes = self.bytes + #value
  while self.tail - self.head + 1 > self.most_keys or self.bytes > self.most_bytes do
    drop_oldest(self)
  end
end


-- The next entries of one source whose keys are still what was read, locked.
local function take(self)
  local entries, source = {}, nil
  while self.head <= self.tail and #entries < AT_ONCE do
    local entry = self.queue[self.head]
    if source and entry.source ~= source then break end
    self.queue[self.head] = nil
    self.head = self.head + 1
    if self.generations:written_since(entry.key, entry.since)
      or not self.generations:try(entry.key) then
      self.counts.superseded = self.counts.superseded + 1
      forget(self, entry)
    else
      source = entry.source
      entries[#entries + 1] = entry
    end
  end
  return entries, source
end


local function request(op, entries)
  local keys = {}
  for i, entry in ipairs(entries) do keys[i] = entry.key end
  local req = Request.new(op, keys)
  req.deadline = host.now() + PATIENCE
  return req
end


-- The entries that still live at their source, with the time they have left.
local function alive(self, entries, source)
  local asked = host.now()
  local facts = source:run(request("stat", entries))
  local kept = {}
  for i, entry in ipairs(entries) do
    if facts[i] == "miss" then
      self.counts.expired = self.counts.expired + 1
    elseif facts[i] == "ok" or facts[i] == "unsupported" then
      entry.ttl, entry.asked = facts:ttl(i), asked
      kept[#kept + 1] = entry
    else
      self.counts.failed = self.counts.failed + 1
    end
  end
  return kept
end


-- The copies must be made before the first of them is past its time.
local function earliest_end(entries, deadline)
  for _, entry in ipairs(entries) do
    if entry.ttl then deadline = math.min(deadline, entry.asked + entry.ttl) end
  end
  return deadline
end


-- A copy lives as long as was left when the source was asked, but from when it was
-- made: on the way there its end may have moved too far.
local function outlives(entry)
  return entry.ttl and host.now() - entry.asked > math.max(DRIFT, entry.ttl * DRIFT)
end


local OUTCOME = { ok = "stored", rejected = "rejected" }

local function store(self, target, entries)
  local req = request("set", entries)
  req.values, req.ttls = {}, {}
  req.deadline = earliest_end(entries, req.deadline)
  for i, entry in ipairs(entries) do
    req.values[i], req.ttls[i] = entry.value, entry.ttl
  end
  local reply = target:run(req)
  local undo = {}
  for i, entry in ipairs(entries) do
    local outcome = OUTCOME[reply[i]] or "failed"
    if outcome == "stored" and outlives(entry) then outcome = "expired" end
    self.counts[outcome] = self.counts[outcome] + 1
    -- A set without an answer may have come through or not: no promise either way.
    if outcome == "failed" or outcome == "expired" then undo[#undo + 1] = entry end
  end
  if #undo > 0 then target:run(request("delete", undo)) end
end


local function by_target(entries)
  local groups, of = {}, {}
  for _, entry in ipairs(entries) do
    for _, target in ipairs(entry.targets) do
      local group = of[target]
      if not group then
        group = { target = target }
        of[target] = group
        groups[#groups + 1] = group
      end
      group[#group + 1] = entry
    end
  end
  return groups
end


local function let_go(self, round)
  for _, entry in ipairs(round.entries) do
    self.generations:copied(entry.key)
    self.generations:free(entry.key)
    forget(self, entry)
  end
  round.over = true
end


local function turn(self, round, source)
  local kept = alive(self, round.entries, source)
  if round.over then return end
  round.writing = true
  for _, group in ipairs(by_target(kept)) do store(self, group.target, group) end
end


-- The task of a turn, which may be left behind.
local function carry_out(self, round, source)
  local ok = pcall(turn, self, round, source)
  if round.late then
    self.hung = self.hung - 1
  elseif not ok then
    self.counts.failed = self.counts.failed + #round.entries
  end
  if not round.over then let_go(self, round) end
  return true
end


local function attempt(self, entries, source)
  local round = { entries = entries }
  if Detach.call(host.now() + LONGEST, carry_out, self, round, source) then return end
  round.late = true
  self.hung = self.hung + 1
  self.counts.failed = self.counts.failed + #entries
  if not round.writing then let_go(self, round) end
end


local function work(self)
  while self.head <= self.tail do
    local entries, source = take(self)
    if #entries > 0 then attempt(self, entries, source) end
  end
  self.head, self.tail = 1, 0
  self.running = false
end


--- Lets the background task run if there is something to do.
function Promotion:start()
  if self.running or self.head > self.tail then return end
  self.running = true
  host.spawn(work, self)
end


return Promotion
