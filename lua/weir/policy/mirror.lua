-- mirror { a, b, c, ack="all", read="first", repair=true }: keeps the same in every
-- store. A write goes to all at once. ack says how many stores must have it before the
-- caller gets the reply (all: the worst status counts; k: the k-th best; "first": the
-- best). The others go on. Copies that landed are not rolled back: reply.copies[i]
-- counts them. A store that did not confirm a write is passed by for its key until it
-- has (policy/shared/suspects.lua), so a read after an acknowledged write never returns
-- an older value.
--
-- read = "first" asks the stores in order; an error or a miss goes on to the next.
-- "fastest" asks all at once, and the first good answer of each slot wins. With repair,
-- a store that missed what another one had gets a copy in the background, unless the
-- key was written meanwhile. repair_queue=1024 keys and repair_bytes="64MiB" may wait
-- to be copied; over that the oldest is dropped and counted. When old_copies=65536 keys
-- of a store are unconfirmed, a write of one more waits for all stores.
--
-- When processes share one of the stores (shm), the writes of a key by all of them come
-- one after the other, and a write in one process beats a repair in another one
-- (policy/shared/guarded.lua). Which stores have not confirmed a write, each process
-- knows by itself. So with another ack than "all" a process may read a value that is
-- older than one that another process has written.

local Answered = require "weir.policy.shared.answered"
local Arguments = require "weir.policy.shared.arguments"
local Atomic = require "weir.policy.shared.atomic"
local Copies = require "weir.policy.shared.scan_copies"
local Generations = require "weir.policy.shared.generations"
local Guarded = require "weir.policy.shared.guarded"
local Lent = require "weir.policy.shared.lent"
local MirrorWrite = require "weir.policy.mirror.write"
local Node = require "weir.policy.shared.node"
local Op = require "weir.core.op"
local Promotion = require "weir.policy.shared.promotion"
local Race = require "weir.policy.mirror.race"
local Suspects = require "weir.policy.shared.suspects"

local Mirror = Node.word "mirror"
Mirror.REUSES = "immediate"


local function ack_of(x)
  if x == "all" or x == "first" then return x end
  if type(x) == "number" and x >= 1 and x % 1 == 0 then return x end
  error("mirror: ack is \"all\", \"first\" or a number of stores, not "
    .. Arguments.show(x), 0)
end


Mirror.HELP = "The same values in every store. A write goes to all of them at once."
Mirror.EXAMPLE = "mirror { a, b, c, ack = 2, repair = true }"
Mirror.OPTIONS = {
  { "ack", is = ack_of, type = '"all"|"first"|integer', default = "all",
    help = "how many stores must have a write before the caller gets the reply" },
  { "read", is = { "first", "fastest" }, default = "first",
    help = "which store a get asks",
    values = { first = "one after the other, in order, until one has the value",
      fastest = "all at once; the first good reply for each key wins" } },
  { "repair", is = "boolean", default = false,
    help = "whether a store that misses a value gets a copy in the background" },
  { "repair_queue", is = "count", default = 1024,
    help = "keys that may wait for repair; over that the oldest is dropped" },
  { "repair_bytes", is = "size", default = 64 * 2 ^ 20,
    help = "bytes that may wait for repair; over that the oldest is dropped" },
  Suspects.OPTION,
}


function Mirror.new(given)
  local stores, named = Arguments.stores("mirror", given, 2)
  local options = Arguments.read("mirror", Mirror.OPTIONS, named)
  local wanted = options.ack == "all" and #stores or options.ack == "first" and 1
    or options.ack
  if wanted > #stores then
    error(("mirror: ack = %d but %d stores"):format(wanted, #stores), 0)
  end
  local generations, suspects = Generations.new(), {}
  for i, store in ipairs(stores) do
    suspects[i] = Suspects.new(store, generations, options.old_copies)
  end
  local node = Mirror:node { children = stores, wanted = wanted, mode = options.read,
    generations = generations, suspects = suspects,
    repairs = options.repair
      and Promotion.new(generations, options.repair_queue, options.repair_bytes) }
  Guarded.join_mirror(node)
  return node
end


-- ---- reading ----

-- The tickets for repairs of what is read from now on, by slot; nil: there are none.
local function look(self, req, slots)
  return self.repairs and Guarded.look(self, req, slots) or nil
end


-- Queues copies of what `source` had for the stores that missed slot i. ticket: that of
-- the guard from before the read.
local function mend(self, req, reply, i, source, missing, since, ticket)
  local targets = {}
  for at, slots in pairs(missing) do
    if slots[i] then targets[#targets + 1] = self.children[at] end
  end
  if #targets > 0 then
    local value = Lent.keep(req, reply, i)
    self.repairs:add(req.keys[i], value, self.children[source], targets, since, nil,
      ticket)
  end
end


local function note_missing(missing, at, answer, slots)
  missing[at] = {}
  for j = 1, answer.n do
    if answer[j] == "miss" then missing[at][slots and slots[j] or j] = true end
  end
end


local function read_in_order(self, req, since)
  local first = self.suspects[1]:read(req)
  if first:all "good" then return Answered.by(first, 1) end
  local missing, found = {}, {}
  local tickets = look(self, req, first:residual_slots())
  local reply, slots
  for at = 1, #self.children do
    local answer = at == 1 and first
      or self.suspects[at]:read(slots and req:subset(slots) or req)
    note_missing(missing, at, answer, slots)
    Answered.by(answer, at)
    for j = 1, answer.n do
      if at > 1 and answer[j] == "ok" then found[slots[j]] = at end
    end
    reply = reply and reply:merge(answer, slots) or answer
    if reply:all "good" then break end
    slots = reply:residual_slots()
  end
  if self.repairs and req.op == "get" and not req.peek and next(found) then
    for i, at in pairs(found) do
      mend(self, req, reply, i, at, missing, since, tickets and tickets[i])
    end
    self.repairs:start()
  end
  return reply
end


local function read_fastest(self, req, since)
  local missing, source = {}, {}
  local private, tickets = Lent.private(req), look(self, req)
  local reply = Race.run(self.suspects, private, function(at, answer, won)
    note_missing(missing, at, answer)
    Answered.by(answer, at)
    for i in pairs(won) do source[i] = at end
  end)
  if self.repairs and req.op == "get" and not req.peek then
    for i, at in pairs(source) do
      mend(self, private, reply, i, at, missing, since, tickets and tickets[i])
    end
    self.repairs:start()
  end
  return Lent.land(req, reply)
end


-- A scan does not need a store that fails if another one holds all that was
-- acknowledged.
local function holds_all(self, _, _, done)
  for _, at in ipairs(done) do
    local suspects = self.suspects[at]
    if suspects:count() == 0 and not suspects:lacks() then return true end
  end
  return false
end


function Mirror:answer(req)
  if Op.lookups[req.op] then
    local read = self.mode == "first" and read_in_order or read_fastest
    return read(self, req, self.generations:now())
  end
  if req.op == "scan" then return Copies.scan(self, req, holds_all) end
  if Op.atomic[req.op] then return Atomic.refuse(self, req) end
  return MirrorWrite.run(self, req)
end


Mirror.refuses = Atomic.never


-- What tally returns.
Mirror.STATS = {
  { "unconfirmed", is = "gauge",
    help = "keys of which a store has not confirmed the last write" },
  { "unconfirmed_refused", is = "counter",
    help = "writes that waited for all stores, because old_copies was reached" },
  { "repairs", is = "counter", by = "result", help = "copies made, by result" },
}

function Mirror:tally()
  local old, refused = Suspects.stats(self.suspects)
  return { unconfirmed = old, unconfirmed_refused = refused,
    repairs = self.repairs and self.repairs.counts }
end


function Mirror:plan(op)
  if Op.lookups[op] then return "reads: " .. self.mode, self.children end
  if op == "scan" then return "lists every store, each key once", self.children end
  return ("every store; %d must have it"):format(self.wanted), self.children
end


return Mirror
