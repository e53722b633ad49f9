-- tier { a, b, c, write="through", promote=always }: one store made of several, the
-- fastest first, the authority last. CacheLib and foyer have tiers like these.
--
-- A get asks a, then b for the slots that a does not have, and so on (read, below). A
-- slot is a miss only if the authority said so. Writes are in policy/tier/write.lua,
-- copies to the upper tiers in policy/tier/promote.lua, and what follows from writes of
-- others with coherent = true in policy/tier/coherent.lua.
--
-- Every table of keys is bounded. promote_queue=1024 keys and promote_bytes="64MiB" may
-- wait to be copied up; over that the oldest is dropped and counted. old_copies=65536
-- keys may have a copy that waits to be deleted from a tier; a write that makes one
-- more is an error. seen=65536 keys are counted for hits(n) and their ages; the keys
-- not seen for longest start anew.

local Arguments = require "weir.policy.shared.arguments"
local Atomic = require "weir.policy.shared.atomic"
local Back = require "weir.policy.tier.back"
local Coherent = require "weir.policy.tier.coherent"
local Copies = require "weir.policy.shared.scan_copies"
local Decide = require "weir.policy.shared.decide"
local degrade = require "weir.policy.shared.degrade"
local Demote = require "weir.policy.tier.demote"
local Exclusive = require "weir.policy.tier.exclusive"
local Ffi = require "weir.ffi"
local Generations = require "weir.policy.shared.generations"
local Guarded = require "weir.policy.shared.guarded"
local Node = require "weir.policy.shared.node"
local One = require "weir.policy.tier.one"
local Op = require "weir.core.op"
local Predicate = require "weir.policy.shared.predicate"
local Promote = require "weir.policy.tier.promote"
local Promotion = require "weir.policy.shared.promotion"
local Stale = require "weir.policy.tier.stale"
local Suspects = require "weir.policy.shared.suspects"
local Write = require "weir.policy.tier.write"

local new_table = require "table.new"

local Tier = Node.word "tier"
Tier.REUSES = "immediate"


local function coherent_of(x)
  if x == true or x == false or x == "stale" then return x end
  error(("tier: coherent is true, false or \"stale\", not %s%s"):format(
    Arguments.show(x), Ffi.suggest(x, { "stale" })), 0)
end


Tier.HELP = "One store made of several, the fastest first, the authority last. A get "
  .. "goes down until a store has the value, and a copy goes up."
Tier.EXAMPLE = "tier { ram, disk, far, promote = hits(2) }"
Tier.OPTIONS = {
  { "write", is = { "through", "around" }, also = Back.read, also_what = "back { ... }",
    default = "through",
    type = '"through"|"around"|weir.Back', takes = "through|around|back {...}",
    help = "what a set leaves in the upper stores",
    values = { through = "the authority stores the value first, then the upper stores",
      around = "only the authority stores it; old copies above are deleted" } },
  { "promote", is = Predicate.of, type = "weir.Rule", default = Predicate.words.always,
    help = "which values found below are copied up: a predicate or fn(key, info)" },
  { "delete", is = { "all" }, default = "all",
    help = "which stores a delete goes to",
    values = { all = "every store" } },
  { "coherent", is = coherent_of, type = 'boolean|"stale"', default = false,
    help = "whether copies go when others change keys; \"stale\": served, but marked" },
  { "fail_open", is = "boolean", default = false,
    help = "whether an error of the authority is told as a miss, marked degraded" },
  { "stale_while", is = "seconds",
    help = "how long a value past its time is served while one caller reads below" },
  { "stale_if_error", is = "seconds",
    help = "how long a value past its time is served if the stores below fail" },
  { "demote", is = Demote.option, type = "weir.Rule|{ [1]: weir.Rule, rate: any }",
    takes = "predicate or table",
    help = "which evicted values are written down: a predicate, or { it, rate = }" },
  { "exclusive", is = "boolean", default = false,
    help = "whether a value is in one of the first two stores only, in turn" },
  { "promote_queue", is = "count", default = 1024,
    help = "keys that may wait to be copied; over that the oldest is dropped" },
  { "promote_bytes", is = "size", default = 64 * 2 ^ 20,
    help = "bytes that may wait to be copied; over that the oldest is dropped" },
  { "seen", is = "count", default = 65536,
    help = "keys counted for hits(n); the key not seen for longest starts anew" },
  Suspects.OPTION,
}


-- Begins to follow the changes that others make. In a replay there are none.
local function follow(node, coherent)
  local far = node.children[node.depth]
  local able, why = far:can_tell()
  if not able then
    error("tier: coherent needs a last store that tells of changes: " .. why, 0)
  end
  if able == "alone" then return end
  node.coherent, node.reuses = Coherent.new(node, coherent == "stale"), false
  node:listen_below()
end


-- Others cannot change a key that is dirty here, nor may an older value of it be
-- written down.
local function write_back(node, options)
  for _, name in ipairs { "coherent", "demote" } do
    if options[name] then
      error(("tier: write = back and %s exclude each other"):format(name), 0)
    end
  end
  node.back, node.mode, node.immediate = Back.new(node, options.write.back), "back",
    false
  node.reuses = false
  node.unsaved = node.back
end


function Tier.new(given)
  local stores, named = Arguments.stores("tier", given, 2)
  local options = Arguments.read("tier", Tier.OPTIONS, named)
  local generations, n = Generations.new(), #stores
  Exclusive.check(options, named.write)
  Stale.keep(stores, options.stale_while, options.stale_if_error, options.seen)
  Demote.put(stores, options)
  local node = Tier:node {
    children = stores, depth = n, mode = options.write, generations = generations,
    promotion = Promotion.new(generations, options.promote_queue,
      options.promote_bytes),
    decide = Decide.new(options.promote, stores[1], options.seen),
    suspects = {}, above = {},
    found = {}, missed = {}, errors = {},
    counts = { repaired = 0, degraded = 0, stale = 0 },
    fail_open = options.fail_open,
  }
  for level = 1, n do
    node.above[level] = { unpack(stores, 1, level - 1) }
    node.found[level], node.missed[level], node.errors[level] = 0, 0, 0
    node.suspects[level] = Suspects.new(stores[level], generations, options.old_copies)
  end
  if options.coherent then follow(node, options.coherent) end
  Demote.join(node, options)
  Exclusive.join(node, options)
  if options.write.back then write_back(node, options) end
  Guarded.join(node, options)
  return node
end


-- ---- events of the authority ----

function Tier:sources()
  return { self.children[self.depth] }
end


--- A tier without coherent would answer a listener's next read with an old copy.
function Tier:can_tell()
  local able, why = Node.can_tell(self)
  if not able or able == "alone" or self.coherent then return able, why end
  return nil, self.name .. ": cannot tell of changes: set coherent = true there, too"
end


function Tier:hear(event, what, source)
  if self.coherent then self.coherent:hear(event, what) end
  Node.hear(self, event, what, source)
end


function Tier:remember(old)
  if self.coherent and old.coherent then self.coherent:adopt(old.coherent) end
end


--- The stores that hold copies of what another store has. Those of a coherent tier are
--- looked after by itself.
function Tier:copies()
  local list = {}
  for level = 1, self.coherent and 0 or self.depth - 1 do
    list[level] = self.children[level]
  end
  return list
end


function Tier:forget()
  if self.coherent then self.coherent:suspect_all() end
end


-- ---- reading ----

-- Counts the answers of one tier for the hit ratios. Errors are neither hits nor
-- misses.
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


-- Notes which slots a tier found and which it failed to read, in `walk`:
--   levels  the tier that found each slot
--   below   the slots that were found below the first tier
--   failed  for each tier, the slots that it answered with neither a value nor a miss;
--           nil for a tier, and for all: there are none
-- Returns the slots that are left for the next tier.
local function note(walk, level, answer, slots)
  local left, failed, n = new_table(answer.n - (answer.good or 0), 0), nil, 0
  local below, found = walk.below, #walk.below
  for j = 1, answer.n do
    local i = slots and slots[j] or j
    if answer[j] ~= "ok" then
      n = n + 1
      left[n] = i
      if answer[j] ~= "miss" then
        failed = failed or {}
        failed[i] = true
      elseif answer.stale and answer.stale[j] then
        Stale.note(walk, level, i, answer.held and answer.held[j])
      end
    else
      walk.levels[i] = level
      if level > 1 then
        found = found + 1
        below[found] = i
      end
    end
  end
  if failed then
    walk.failed = walk.failed or {}
    walk.failed[level] = failed
  end
  return left
end


-- Asks one tier. Returns its reply, and true if an upper tier was not asked because
-- its copies may be old.
local function ask(self, level, req)
  if self.coherent and level < self.depth then return self.coherent:read(level, req) end
  return self.suspects[level]:read(req), false
end


-- The path of a get, an exists and a stat.
local function read(self, req, attempt)
  local begun = self.exclusive and self.generations:now()
  -- 1. The first tier. If it has every key, no other tier is asked.
  local reply, withheld = ask(self, 1, req)
  if reply:all "good" then
    self.found[1] = self.found[1] + req.n
    reply.levels = nil
    return reply
  end
  local since, first = self.generations:now(), 1
  local tickets = self.guard and Guarded.look(self, req, reply:residual_slots())
  if req.n == 1 and not req.trace and not self.coherent and not begun then
    reply, first = One.descend(self, req, reply)
    if One.finish(self, req, reply, first, since, tickets) then return reply end
  end
  if not withheld then count(self, first, reply) end
  if req.trace then
    req.trace:decide(self, ("level 1 has %d of %d"):format(reply:count "good", req.n))
  end

  -- 2. Each tier below is asked for the slots that are left. Its answer replaces the
  -- one from above, so a slot ends as a miss or an error only if the authority said so.
  local walk = { levels = new_table(req.n, 0), below = {} }
  local left = note(walk, first, reply, nil)
  for level = first + 1, self.depth do
    if #left == 0 then break end
    local slots = left
    local rest = self.reuses and req:lend_subset(slots) or req:subset(slots)
    local answer, unasked = ask(self, level, rest)
    if not unasked then count(self, level, answer) end
    left = note(walk, level, answer, slots)
    reply:place(answer, slots)
    answer:give_back()
    rest:give_back()
  end
  reply.levels = walk.levels

  if walk.stale then Stale.finish(self, req, reply, walk) end

  -- 3. Values found below are copied up, in the background.
  if req.op == "get" and not req.peek then
    if #left > 0 then Promote.not_found(self, req, walk, left) end
    if #walk.below > 0 then Promote.found(self, req, reply, walk, since, tickets) end
  end

  if begun then Exclusive.look_again(self, req, reply, begun, attempt, read) end

  -- 4. With fail_open an error of the authority becomes a miss.
  return self.fail_open and degrade(self, reply) or reply
end


--- A read of keys that the first store has asks no other and changes nothing, unless
--- the store may have old copies.
function Tier:fast_path()
  if self.back or self.suspects[1]:count() > 0
    or self.coherent and not self.coherent:serves(1) then return nil end
  return self.children[1]
end


function Tier:count_hits(hits)
  Node.count_hits(self, hits)
  self.found[1] = self.found[1] + hits.keys
end


-- ---- the rest ----

-- A scan may leave out an upper tier that fails, as a read does. It may not leave out a
-- tier that does not support scans, since a read finds keys there.
local function needless(self, at, name)
  return at < self.depth and name ~= "unsupported"
end


local function plain(self, req)
  local op = req.op
  if Op.lookups[op] then return read(self, req) end
  -- The authority has every key that a coherent tier may answer for.
  if op == "scan" and self.coherent then return self.children[self.depth]:run(req) end
  if op == "scan" and self.exclusive then Exclusive.settle(self, req) end
  if op == "scan" then return Copies.scan(self, req, needless) end
  return Write.run(self, req)
end


-- The authority decides, if it alone holds what is current.
function Tier:refuses()
  if self.back then return "the authority does not have writes that are dirty" end
  return self.exclusive and Atomic.SEVERAL or nil
end


function Tier:answer(req)
  local special = self.back or self.exclusive
  local refused = special and Op.atomic[req.op] and Atomic.refuse(self, req)
  if refused then return refused end
  if self.back then return self.back:answer(req, plain) end
  return plain(self, req)
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
  { "demotions", is = "counter", by = "result",
    help = "evicted values written down, by result" },
  { "demote_yes", is = "counter", help = "evicted values that demote agreed to" },
  { "demote_no", is = "counter", help = "those that it did not" },
  { "repaired", is = "counter",
    help = "old copies to delete because a write did not reach an upper store" },
  Suspects.STATS[1], Suspects.STATS[2],
  { "forgotten", is = "counter", help = "keys dropped from the count of hits" },
  { "degraded", is = "counter", help = "errors of the authority told as misses" },
  { "stale", is = "counter", help = "values past their time served for an error" },
  unpack(Coherent.STATS),
}
for _, row in ipairs(Back.STATS) do Tier.STATS[#Tier.STATS + 1] = row end

function Tier:tally()
  local old, refused = Suspects.stats(self.suspects)
  local down = self.demote_decide
  local tally = { hits = self.found, misses = self.missed, errors = self.errors,
    demotions = down and self.demotion.counts, demote_yes = down and down.yes,
    demote_no = down and down.no,
    promotions = self.promotion.counts, promote_yes = self.decide.yes,
    promote_no = self.decide.no, repaired = self.counts.repaired, old_copies = old,
    old_copies_refused = refused, forgotten = self.decide:forgotten(),
    degraded = self.counts.degraded, stale = self.counts.stale }
  if self.coherent then self.coherent:tally(tally) end
  return self.back and self.back:tally(tally) or tally
end


function Tier:plan(op, key)
  local why, children
  if self.back then why, children = self.back:plan(op, key) end
  if why then return why, children end
  if Op.lookups[op] then
    return ("asks [1], and those below for what it lacks; promote = %s%s"):format(
      self.decide.predicate.name,
      self.coherent and "; " .. self.coherent:describe() or ""), self.children
  end
  if op == "delete" then return "deletes in every tier, bottom-up", self.children end
  if op == "scan" then return "lists every tier, each key once", self.children end
  if Op.atomic[op] then
    return "the authority decides; copies above are deleted", self.children
  end
  return "write-" .. self.mode .. ": the authority first", self.children
end


return Tier
