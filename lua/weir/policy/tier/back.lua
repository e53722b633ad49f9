-- policy/tier/back.lua: write-back: tier { ..., write = back { after=5, max_dirty=,
-- on_full=, journal=, sync= } }. A write is acknowledged when the first store has it,
-- and the journal if there is one (shared/journal.lua). The authority gets it later
-- (shared/flusher.lua).
--
-- Until then the key is dirty. Its newest write is held here, by reference
-- (shared/dirty.lua), and answers all reads of the key. The first store has a copy,
-- too, so that reads find the value when it is not dirty any more. No other store has
-- one that could be read: copies in the stores between are deleted at the write
-- (back_write.lua).
--
-- When max_dirty bytes are dirty a further write is written through, waits, or is
-- refused, by on_full. The first request after a crash reads the journal, and what the
-- authority may not have is dirty again (back_recovery.lua). A scan flushes first.
-- Whoever closes the store, reloads its file or ends the process flushes, or gets a
-- list of what is left.

local BackWrite = require "weir.policy.tier.back_write"
local Dirty = require "weir.policy.shared.dirty"
local Error = require "weir.core.error"
local Flusher = require "weir.policy.shared.flusher"
local Generations = require "weir.policy.shared.generations"
local host = require "weir.host"
local Lent = require "weir.policy.shared.lent"
local Op = require "weir.core.op"
local Recovery = require "weir.policy.tier.back_recovery"
local Reply = require "weir.core.reply"
local Word = require "weir.policy.tier.back_word"

local Back = { words = Word.words, ABOUT = Word.ABOUT, read = Word.read }
Back.__index = Back

local CLOSE = 5 -- seconds that the end of a host waits for a flush
local NAMED = 10 -- keys that a message names


-- ---- a tier's write-back ----

--- node: the tier. options: of the word.
function Back.new(node, options)
  local dirty, locks = Dirty.new(options.max_dirty), Generations.new()
  local self = setmetatable({ node = node, options = options, dirty = dirty,
    locks = locks, on_full = options.on_full, reserved = 0,
    reserved_keys = {}, recovered = 0,
    counts = { superseded = 0, through = 0, blocked = 0, busy = 0 } }, Back)
  self.flusher = Flusher.new(node.children[node.depth], dirty, locks, options.after)
  return self
end


-- Flushes when the host stops. Hosts are registered once.
local function watch(self)
  local current = host.current()
  if self.watched == current then return end
  self.watched = current
  host.on_stop(function()
    local left = self.dirty.count > 0 and self:flush(CLOSE)
    if left then io.stderr:write("weir: " .. self:describe(left) .. "\n") end
  end)
end


-- Answers a read from the dirty keys. slots: those of the request.
local function read_dirty(self, req, slots)
  local sub = req:subset(slots)
  local reply = Reply.uniform(sub, "miss")
  for i = 1, sub.n do
    local entry = self.dirty:get(sub.keys[i])
    if Dirty.alive(entry) then
      local ttl = entry.ends and entry.ends - host.now()
      reply:set(i, "ok", { value = Op.returns[req.op] and entry.value or nil,
        size = entry.size, ttl = ttl })
    end
  end
  return Lent.land(sub, reply)
end


local function read(self, req, plain)
  local dirty, clean = {}, {}
  if self.dirty.count > 0 then
    for i = 1, req.n do
      table.insert(self.dirty:get(req.keys[i]) and dirty or clean, i)
    end
  end
  if #dirty == 0 then return plain(self.node, req) end
  self.node.found[1] = self.node.found[1] + #dirty
  if req.trace then
    req.trace:decide(self.node, ("%d of %d are dirty"):format(#dirty, req.n))
  end
  if #clean == 0 then return read_dirty(self, req, dirty) end
  local reply = Reply.new(req)
  reply:place(read_dirty(self, req, dirty), dirty)
  reply:place(plain(self.node, req:subset(clean)), clean)
  return reply
end


-- The stores list what they hold, so they must hold all.
local function scan(self, req, plain)
  if not (req.cursors and req.cursors[1]) and self.dirty.count > 0 then
    local left = self:flush(req.deadline and req.deadline - host.now())
    if left then
      return Reply.uniform(req, "unavailable", self:describe(left), self.node.name)
    end
  end
  return plain(self.node, req)
end


local function write(node, req)
  return BackWrite.run(node.back, req)
end


--- Answers a request to the tier. plain(node, req): what the tier does without dirty
--- keys.
function Back:answer(req, plain)
  local failed = Recovery.is_due(self) and Recovery.begin(self, req)
  if failed then return failed end
  if Op.lookups[req.op] then return read(self, req, plain) end
  if req.op == "scan" then return scan(self, req, plain) end
  watch(self)
  return self.node.generations:write(self.node, req, write)
end


--- Flushes what is dirty, within so many seconds if given. Returns what could not be
--- flushed, as { key =, status = } in a list, or nil. The status is the authority's.
function Back:flush(seconds)
  local left = self.flusher:flush(seconds and host.now() + seconds)
  if not left then return nil end
  local list = {}
  for i, entry in ipairs(left) do
    list[i] = { key = entry.key, status = entry.status or "timeout" }
  end
  return list
end


--- Lets writes go through to the authority from now on, or not any more.
function Back:retire(retired)
  self.retired = retired
  -- Another version may have used the journal meanwhile.
  if not retired and self.options.journal then
    self.ready, self.journal, self.flusher.journal = nil, nil, nil
  end
end


--- Gives up what is dirty: the stores below are closed.
function Back:stop()
  self.retired = true
  self.flusher:stop()
  if self.journal then self.journal:close() end
end


--- What is dirty or about to be, as flush returns it.
function Back:left()
  local list = {}
  for key in pairs(self.reserved_keys) do
    list[#list + 1] = { key = key, status = "skipped" }
  end
  self.dirty:each(function(entry)
    list[#list + 1] = { key = entry.key, status = entry.status or "skipped" }
  end)
  return #list > 0 and list or nil
end


--- A sentence about what could not be flushed.
function Back:describe(left)
  local names = {}
  for i = 1, math.min(#left, NAMED) do
    names[i] = ("%q (%s)"):format(left[i].key, left[i].status)
  end
  return ("%s: %d written keys are not in %s: %s%s"):format(self.node.name, #left,
    self.node.children[self.node.depth].name, table.concat(names, ", "),
    #left > NAMED and ", ..." or "")
end


--- The same as an error, with the list as err.left.
function Back:error(left)
  local err = Error.new(left[1].status, self:describe(left), self.node.name)
  err.left = left
  return err
end


--- Uses no journal: what the tier writes is not real (ghost).
function Back:without_journal()
  self.ready = true
end


-- ---- numbers ----

--- Rows of the tier's numbers.
Back.STATS = {
  { "dirty_keys", is = "gauge", help = "keys that the authority does not have (back)" },
  { "dirty_bytes", is = "gauge", unit = "bytes", help = "what they count for (back)" },
  { "flushed", is = "counter", help = "writes that the authority got later (back)" },
  { "flush_failures", is = "counter",
    help = "writes that it did not take; they are tried again (back)" },
  { "superseded", is = "counter",
    help = "writes replaced by a newer one before a flush (back)" },
  { "recovered", is = "counter", help = "writes found in the journal (back)" },
  { "journal_bytes", is = "gauge", unit = "bytes",
    help = "size of the journal's file (back)" },
  { "over_max_dirty", is = "counter", by = "result",
    help = "writes over max_dirty: through, blocked, busy (back)" },
}


function Back:tally(facts)
  local counts, flushed = self.counts, self.flusher.counts
  facts.dirty_keys, facts.dirty_bytes = self.dirty.count, self.dirty.bytes
  facts.flushed, facts.flush_failures = flushed.flushed, flushed.failed
  facts.superseded, facts.recovered = counts.superseded, self.recovered
  facts.journal_bytes = self.journal and self.journal.bytes
  facts.over_max_dirty = { through = counts.through, blocked = counts.blocked,
    busy = counts.busy }
  return facts
end


function Back:plan(op, key)
  local entry, node = self.dirty:get(key), self.node
  if Op.lookups[op] and entry then
    return "is dirty: answered without asking a store", {}
  elseif Op.writes[op] and (op == "set" or entry) then
    return ("write-back: [1] now, [%d] within %g s; %d keys are dirty"):format(
      node.depth, self.options.after, self.dirty.count),
      { node.children[1], node.children[node.depth] }
  end
end


return Back
