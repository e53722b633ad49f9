-- policy/shared/promotion.lua: makes copies of values in other stores, in the
-- background and in small batches. A copy is made only if the key was not written since
-- the read began, and never during a write of the key. A copy of a key that others
-- change meanwhile is deleted again. A value that has expired is not copied: its source
-- is asked for the time to live just before. With `longest` set, no copy lives longer
-- than that many seconds. The queue is bounded; when it is full the oldest entry is
-- dropped. A failure changes no reply, and is counted. A `patient` queue waits for
-- copies of its keys that others make. Other queues drop such an entry. After copies
-- were stored, moved(source, entries, request) is called, if it is set. Used by tier
-- (also for demotions), mirror and warmup.
--
-- A store that hangs does not hold up the copies of others. After LONGEST seconds its
-- turn is abandoned. If that turn was writing, its keys stay locked until the write has
-- ended, since it may still be applied. When MOST_HUNG turns hang no further copies are
-- made.

local Detach = require "weir.policy.shared.detach"
local host = require "weir.host"
local Request = require "weir.core.request"

local new_table = require "table.new"

local Promotion = {}
Promotion.__index = Promotion

local AT_ONCE = 64
local PATIENCE = 10 -- seconds for one request
local LONGEST = 3 * PATIENCE -- seconds for one turn: stat, set, and delete
local MOST_HUNG = 8
local DRIFT = 0.01  -- a copy may outlive its source by that many seconds, or share


--- generations: those of the node, shared with its writes. most_keys, most_bytes: the
--- bounds of the queue. rate: bytes a second at most; nil: no bound.
function Promotion.new(generations, most_keys, most_bytes, rate)
  return setmetatable({
    generations = generations, most_keys = most_keys, most_bytes = most_bytes,
    rate = rate, paid_until = 0,
    queue = {}, head = 1, tail = 0, bytes = 0, pending = {},
    running = false, hung = 0,
    counts = { stored = 0, superseded = 0, expired = 0, dropped = 0, rejected = 0,
      failed = 0, changed = 0 },
  }, Promotion)
end


local function forget(self, entry)
  self.bytes = self.bytes - #entry.value
  self.pending[entry.key] = nil
end


local function pop(self)
  local entry = self.queue[self.head]
  self.queue[self.head] = nil
  self.head = self.head + 1
  forget(self, entry)
  self.counts.dropped = self.counts.dropped + 1
end


--- Queues a value to be copied to `targets`, the stores that missed it. source: the
--- store that had it, or what has choose(promotion, entries, exists), which returns the
--- entries to copy. since: the clock of the generations when the read began. ttl: with
--- such a source, the seconds that the value has left. ticket: that of the guard, if
--- the first target has one.
function Promotion:add(key, value, source, targets, since, ttl, ticket)
  if self.pending[key] then return end
  if self.hung >= MOST_HUNG then
    self.counts.dropped = self.counts.dropped + 1
    return
  end
  local entry = { key = key, value = value, source = source, targets = targets,
    since = since, ttl = ttl, ticket = ticket, asked = host.now() }
  self.pending[key] = entry
  self.tail = self.tail + 1
  self.queue[self.tail] = entry
  self.bytes = self.bytes + #value
  while self.tail - self.head + 1 > self.most_keys or self.bytes > self.most_bytes do
    pop(self)
  end
end


-- Why a copy must not be made: others have changed the key since the read began, or it
-- was written here. nil: it may.
local function overtaken_by(self, entry)
  local generations = self.generations
  if generations:changed_since(entry.key, entry.since) then return "changed" end
  return generations:written_since(entry.key, entry.since) and "superseded" or nil
end


-- Removes the next entries of one source from the queue, those whose keys were not
-- written since, and locks their keys.
local function next_entries(self)
  local entries, source = {}, nil
  while self.head <= self.tail and #entries < AT_ONCE do
    local entry = self.queue[self.head]
    if source and entry.source ~= source then break end
    if self.patient and self.generations:copying(entry.key) then break end
    self.queue[self.head] = nil
    self.head = self.head + 1
    local overtaken = overtaken_by(self, entry)
    if overtaken or not self.generations:try(entry.key, "copy") then
      overtaken = overtaken or "superseded"
      self.counts[overtaken] = self.counts[overtaken] + 1
      forget(self, entry)
    else
      source = entry.source
      entries[#entries + 1] = entry
    end
  end
  return entries, source
end


local function request(op, entries)
  local n = #entries
  local keys = new_table(n, 0)
  for i = 1, n do keys[i] = entries[i].key end
  local req = Request.plain(op, keys, n)
  req.deadline = host.now() + PATIENCE
  return req
end


-- The entries that their source still has, with the time they have left to live.
local function alive(self, entries, source)
  if source.choose then
    return source:choose(self, entries, request("exists", entries))
  end
  local asked = host.now()
  local facts = source:run(request("stat", entries))
  local kept = {}
  for i, entry in ipairs(entries) do
    if self.generations:changed_since(entry.key, entry.since) then
      self.counts.changed = self.counts.changed + 1
    elseif facts[i] == "miss" then
      self.counts.expired = self.counts.expired + 1
    elseif facts[i] == "ok" or facts[i] == "unsupported" then
      local ttl, longest = facts:ttl(i), self.longest
      entry.ttl, entry.asked = longest and math.min(ttl or longest, longest) or ttl,
        asked
      kept[#kept + 1] = entry
    else
      self.counts.failed = self.counts.failed + 1
    end
  end
  return kept
end


-- The deadline: copies must be made before the first value expires.
local function earliest_end(entries, deadline)
  for _, entry in ipairs(entries) do
    if entry.ttl then deadline = math.min(deadline, entry.asked + entry.ttl) end
  end
  return deadline
end


-- Whether a copy lives longer than its source. Its time to live counts from when the
-- copy was made, not from when the source was asked.
local function outlives(ttl, asked)
  return ttl and host.now() - asked > math.max(DRIFT, ttl * DRIFT)
end


local OUTCOME = { ok = "stored", rejected = "rejected" }

--- The counts of copies that are deleted again.
Promotion.UNDO = { failed = true, expired = true, changed = true }

--- What a copy is counted as. ttl: what the source told when it was asked.
function Promotion.outcome_of(status, ttl, asked)
  local outcome = OUTCOME[status] or "failed"
  if outcome == "stored" and outlives(ttl, asked) then return "expired" end
  return outcome
end


local function field_of(entries, name)
  local list = new_table(#entries, 0)
  for i = 1, #entries do list[i] = entries[i][name] end
  return list
end


local function store(self, target, entries)
  local req = request("set", entries)
  req.values, req.ttls = {}, {}
  req.deadline = earliest_end(entries, req.deadline)
  for i, entry in ipairs(entries) do
    req.values[i], req.ttls[i] = entry.value, entry.ttl
  end
  if self.guard and target.guard == self.guard then
    req.tickets = field_of(entries, "ticket")
  end
  local reply = target:run(req)
  local undo, stored = {}, {}
  for i, entry in ipairs(entries) do
    local outcome = Promotion.outcome_of(reply[i], entry.ttl, entry.asked)
    if self.generations:changed_since(entry.key, entry.since) then
      outcome = "changed"
    elseif req.tickets and reply[i] == "skipped" then
      outcome = "superseded"
    end
    self.counts[outcome] = self.counts[outcome] + 1
    if outcome == "stored" then stored[#stored + 1] = entry end
    -- A set without a reply may have been applied or not. Its copy is deleted.
    if Promotion.UNDO[outcome] then undo[#undo + 1] = entry end
  end
  if #undo > 0 then target:run(request("delete", undo)) end
  if self.moved and #stored > 0 then self.moved(stored[1].source, stored, request) end
end


--- The value of a key that waits to be copied, and the seconds that it has left; nil:
--- there is none, or the key was written since.
function Promotion:waiting(key)
  local entry = self.pending[key]
  if not entry or overtaken_by(self, entry) then return nil end
  local left = entry.ttl and entry.asked + entry.ttl - host.now()
  if left and left <= 0 then return nil end
  return entry.value, left
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


local function store_all(self, entries)
  for _, group in ipairs(by_target(entries)) do store(self, group.target, group) end
end


-- Stores those entries whose keys no other process writes or has written, and keeps
-- such writes away meanwhile.
local function store_claimed(self, entries)
  local keys, n = field_of(entries, "key"), #entries
  local tickets = self.guard:claim(keys, n, field_of(entries, "ticket"),
    self.claims == "keep")
  local kept = {}
  for i, entry in ipairs(entries) do
    entry.ticket = tickets[i]
    kept[#kept + 1] = tickets[i] and entry
  end
  self.counts.superseded = self.counts.superseded + n - #kept
  local ok, err = pcall(store_all, self, kept)
  self.guard:finish(keys, n, tickets)
  if not ok then error(err, 0) end
end


local function turn(self, round, source)
  local kept = alive(self, round.entries, source)
  if round.over then return end
  round.writing = true
  if self.claims then return store_claimed(self, kept) end
  store_all(self, kept)
end


-- The task of a turn. It may be abandoned.
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


local function attempt(self, entries, source, in_place)
  local round = { entries = entries }
  if in_place then return carry_out(self, round, source) end
  if Detach.call(host.now() + LONGEST, carry_out, self, round, source) then return end
  round.late = true
  self.hung = self.hung + 1
  self.counts.failed = self.counts.failed + #entries
  if not round.writing then let_go(self, round) end
end


-- Waits until the copies made so far have not taken more than their rate.
local function keep_rate(self)
  local wait = self.rate and self.paid_until - host.now() or 0
  if wait > 0 then host.sleep(wait) end
end


local function pay(self, entries)
  local sum = 0
  for _, entry in ipairs(self.rate and entries or {}) do sum = sum + #entry.value end
  if sum > 0 then
    self.paid_until = math.max(self.paid_until, host.now()) + sum / self.rate
  end
end


-- Waits until the key of the next entry is not being copied by another queue.
local function await_copy(self)
  local entry = self.queue[self.head]
  if not self.patient or not self.generations:copying(entry.key) then return end
  local one = { n = 1, keys = { entry.key } }
  if self.generations:lock(one) then self.generations:unlock(one) else pop(self) end
end


local function work(self, in_place)
  while self.head <= self.tail do
    keep_rate(self)
    await_copy(self)
    local entries, source = next_entries(self)
    pay(self, entries)
    if #entries > 0 then attempt(self, entries, source, in_place) end
  end
  self.head, self.tail = 1, 0
  self.running = false
end


--- Starts the background task if there is an entry and it is not running. in_place: no
--- store waits, so the copies are made here, without a task.
---@param in_place boolean
function Promotion:start(in_place)
  if self.running or self.head > self.tail then return end
  self.running = true
  if in_place then return work(self, true) end
  host.spawn(work, self)
end


return Promotion
