-- tier { a, b, c, write="through", promote=always }: one store made of several,
-- the fastest first, the authority last. As CacheLib's and foyer's tiers.
--
-- get asks a, sends what is left to b, and so on; a slot is a miss only if the
-- authority said so, and an error above it only sends the slot on. What is found
-- below goes up in the background, where promote says so (shared/promotion.lua). With
-- fail_open an error of the authority is told as a miss, tagged degraded.
-- Writes are in policy/tier/write.lua.
--
-- What is kept for keys is bounded: promote_queue=1024 keys and promote_bytes="64MiB"
-- wait for their copies, the oldest is dropped and counted; old_copies=65536 may wait
-- to be deleted from a tier, then a write that makes one more is an error; seen=65536
-- keys are counted for hits(n) and ages, those not seen for longest start anew.

local Arguments = require "weir.policy.shared.arguments"
local Copies = require "weir.policy.shared.scan_copies"
local Decide = require "weir.policy.shared.decide"
local Generations = require "weir.policy.shared.generations"
local Lent = require "weir.policy.shared.lent"
local Node = require "weir.policy.shared.node"
local Op = require "weir.core.op"
local Predicate = require "weir.policy.shared.predicate"
local Promotion = require "weir.policy.shared.promotion"
local status = require "weir.core.status"
local Suspects = require "weir.policy.shared.suspects"
local Write = require "weir.policy.tier.write"

local Tier = Node.word "tier"

Tier.HELP = "One store made of several, the fastest first, the authority last. A get "
  .. "goes down until a store has the value, and a copy goes up."
Tier.EXAMPLE = "tier { ram, disk, far, promote = hits(2) }"
Tier.OPTIONS = {
  { "write", is = { "through", "around" }, default = "through",
    help = "what a set leaves in the upper stores",
    values = { through = "the authority stores the value first, then the upper stores",
      around = "only the authority stores it; old copies above are deleted" } },
  { "promote", is = Predicate.of, type = "weir.Rule", default = Predicate.words.always,
    help = "which values found below are copied up: a predicate or fn(key, info)" },
  { "delete", is = { "all" }, default = "all",
    help = "which stores a delete goes to",
    values = { all = "every store" } },
  { "fail_open", is = "boolean", default = false,
    help = "whether an error of the authority is told as a miss, marked degraded" },
  { "promote_queue", is = "count", default = 1024,
    help = "keys that may wait to be copied up; over that the oldest is dropped" },
  { "promote_bytes", is = "size", default = 64 * 2 ^ 20,
    help = "bytes that may wait to be copied up; over that the oldest is dropped" },
  { "seen", is = "count", default = 65536,
    help = "keys counted for hits(n); the key not seen for longest starts anew" },
  Suspects.OPTION,
}


function Tier.new(given)
  local stores, named = Arguments.stores("tier", given, 2)
  local options = Arguments.read("tier", Tier.OPTIONS, named)
  local generations, n = Generations.new(), #stores
  local node = Tier:node {
    children = stores, depth = n, mode = options.write, generations = generations,
    promotion = Promotion.new(generations, options.promote_queue,
      options.promote_bytes),
    decide = Decide.new(options.promote, stores[1], options.seen),
    suspects = {},
    found = {}, missed = {}, errors = {}, counts = { repaired = 0, degraded = 0 },
    fail_open = options.fail_open,
  }
  for level = 1, n do
    node.found[level], node.missed[level], node.errors[level] = 0, 0, 0
    node.suspects[level] = Suspects.new(stores[level], generations, options.old_copies)
  end
  return node
end


-- ---- reading ----

-- What one level said, for the hit ratios: errors are in none.
local function count(self, level, reply)
  local misses, errors = 0, 0
  for i = 1, reply.n do
    local name = reply[i]
    if name == "miss" then
      misses = misses + 1
    elseif name ~= "ok" then
      errors = errors + 1
    end
  end
  self.found[level] = self.found[level] + reply.n - misses - errors
  self.missed[level] = self.missed[level] + misses
  self.errors[level] = self.errors[level] + errors
end


-- A slot was found at a level: do those above that miss it get a copy?
local function consider(self, req, reply, i, level, missing, since)
  local key = req.keys[i]
  local targets = {}
  for upper = 1, level - 1 do
    if missing[upper] and missing[upper][i] then
      targets[#targets + 1] = self.children[upper]
    end
  end
  if #targets == 0 then return end
  if self.decide:ask(key, reply:size(i), level, reply:ttl(i), req.n) then
    self.promotion:add(key, Lent.keep(req, reply, i), self.children[level], targets,
      since)
  end
end


-- Slots that a level did not find, of those it was asked for; and which of them
-- it said it misses, so that it may get a copy.
local function left_over(reply, slots)
  local left, missing = {}, {}
  for j = 1, reply.n do
    if reply[j] ~= "ok" then
      local i = slots and slots[j] or j
      left[#left + 1] = i
      missing[i] = reply[j] == "miss"
    end
  end
  return left, missing
end


local function descend(self, req, first)
  local reply, since = first, self.generations:now()
  local left, missing = left_over(first, nil)
  local missed_at, levels = { missing }, {}
  for i = 1, req.n do levels[i] = reply[i] == "ok" and 1 or nil end
  local found = {}
  for level = 2, self.depth do
    if #left == 0 then break end
    local answer = self.suspects[level]:read(req:subset(left))
    count(self, level, answer)
    local slots = left
    for j = 1, answer.n do
      if answer[j] == "ok" then
        levels[slots[j]] = level
        found[#found + 1] = slots[j]
      end
    end
    left, missing = left_over(answer, slots)
    missed_at[level] = missing
    -- Only the authority's word counts when a slot was not found.
    reply:place(answer, slots)
  end
  reply.levels = levels
  if self.decide.resident and req.op == "get" then
    for j = 1, #left do
      if missing[left[j]] then self.decide:gone(req.keys[left[j]]) end
    end
  end
  if req.op == "get" and #found > 0 then
    for _, i in ipairs(found) do
      consider(self, req, reply, i, levels[i], missed_at, since)
    end
    self.promotion:start()
  end
  return reply
end


-- fail_open: who rather computes anew than waits for a store that is down is told
-- miss, and that it may not be one.
local function degrade(self, reply)
  for i = 1, reply.n do
    if status.class[reply[i]] == "error" then
      reply:set(i, "miss", { degraded = true })
      self.counts.degraded = self.counts.degraded + 1
    end
  end
  return reply
end


local function read(self, req)
  local reply = self.suspects[1]:read(req)
  if reply:all "good" then
    self.found[1] = self.found[1] + req.n
    reply.levels = nil
    return reply
  end
  count(self, 1, reply)
  if req.trace then
    req.trace:decide(self, ("level 1 has %d of %d"):format(reply:count "good", req.n))
  end
  reply = descend(self, req, reply)
  return self.fail_open and degrade(self, reply) or reply
end


-- ---- the rest ----

-- A read goes past an upper tier that fails, so a list does, too; but not past one that
-- cannot be listed, which a read does find keys in.
local function needless(self, at, name)
  return at < self.depth and name ~= "unsupported"
end


function Tier:answer(req)
  local op = req.op
  if Op.lookups[op] then return read(self, req) end
  if op == "scan" then return Copies.scan(self, req, needless) end
  return Write.run(self, req)
end


-- What tally returns.
Tier.STATS = {
  { "hits", is = "counter", by = "level", help = "keys found in a store" },
  { "misses", is = "counter", by = "level", help = "keys that a store did not have" },
  { "errors", is = "counter", by = "level", help = "keys that a store failed to read" },
  { "promotions", is = "counter", by = "result",
    help = "copies made in upper stores, by result" },
  { "promote_yes", is = "counter", help = "keys that the predicate agreed to copy up" },
  { "promote_no", is = "counter", help = "keys that it did not" },
  { "repaired", is = "counter",
    help = "old copies to delete because a write did not reach an upper store" },
  Suspects.STATS[1], Suspects.STATS[2],
  { "forgotten", is = "counter", help = "keys dropped from the count of hits" },
  { "degraded", is = "counter", help = "errors of the authority told as misses" },
}

function Tier:tally()
  local old, refused = Suspects.tally(self.suspects)
  return { hits = self.found, misses = self.missed, errors = self.errors,
    promotions = self.promotion.counts, promote_yes = self.decide.yes,
    promote_no = self.decide.no, repaired = self.counts.repaired, old_copies = old,
    old_copies_refused = refused, forgotten = self.decide:forgotten(),
    degraded = self.counts.degraded }
end


function Tier:plan(op)
  if Op.lookups[op] then
    return ("asks [1], and those below for what it lacks; promote = %s"):format(
      self.decide.predicate.name), self.children
  end
  if op == "delete" then return "deletes in every tier, bottom-up", self.children end
  if op == "scan" then return "lists every tier, each key once", self.children end
  return "write-" .. self.mode .. ": the authority first", self.children
end


return Tier
