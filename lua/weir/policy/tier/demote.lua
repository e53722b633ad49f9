-- policy/tier/demote.lua: what an upper store of a tier evicts is written to the store
-- below, if that lacks it. The tier puts this node over the upper store.
--
-- The upper store is a memory, which answers on this thread. While it runs a set of the
-- tier, it keeps what it evicts in a queue (native/evicted.lua). The node reads that
-- before any other task can run. So each value it gets is the current one of its key,
-- unless the key is being written, or the store had an old copy of it (suspects.lua):
-- those values are dropped.
--
-- The copies are made as promotions are (shared/promotion.lua): in the background, in
-- batches, under the generations and locks of the keys, with a bounded queue. With a
-- rate they take so many bytes a second at most.

local Arguments = require "weir.policy.shared.arguments"
local Decide = require "weir.policy.shared.decide"
local host = require "weir.host"
local Lent = require "weir.policy.shared.lent"
local Node = require "weir.policy.shared.node"
local Op = require "weir.core.op"
local Predicate = require "weir.policy.shared.predicate"
local Promotion = require "weir.policy.shared.promotion"
local Quantity = require "weir.core.quantity"

local Demote = Node.word "demote"


local function rate_of(x, what)
  local bytes = type(x) == "string" and Quantity.size((x:gsub("/s$", ""))) or x
  if type(bytes) == "number" and bytes > 0 then return bytes end
  error(("%s: rate is bytes a second over 0, such as \"200MB/s\", not %s%s"):format(
    what, Arguments.show(x), Quantity.excess(x, Quantity.size)), 0)
end


--- The value of the option: a predicate, or { predicate, rate = "200MB/s" }.
function Demote.option(x, what)
  if type(x) ~= "table" or getmetatable(x) == Predicate then
    return { rule = Predicate.of(x, what) }
  end
  for name in pairs(x) do
    if name ~= 1 and name ~= "rate" then
      error(("%s has no option %q; it is { predicate, rate = \"200MB/s\" }"):format(
        what, tostring(name)), 0)
    end
  end
  if x[1] == nil then
    error(what .. " needs a predicate: { hits(1), rate = \"200MB/s\" }", 0)
  end
  return { rule = Predicate.of(x[1], what), rate = x.rate and rate_of(x.rate, what) }
end


-- The store of C below, if the words over it change no keys and never wait.
local function memory_below(store)
  if not store.immediate then return nil end
  while Node.is_wrapper(store) do
    if store.word == "prefix" then return nil end
    store = store.child
  end
  return store.keep_evicted and store
end


local function over(child, options)
  local memory = memory_below(child)
  local most, bytes = options.promote_queue, options.promote_bytes
  if not memory or not memory:keep_evicted(most, bytes) then return child, false end
  memory:keep_evicted(0, 0)
  return Demote:node { children = { child }, child = child, memory = memory,
    most = most, most_bytes = bytes }, true
end


--- Puts a node over each upper store that tells what it evicts.
function Demote.put(stores, options)
  if not options.demote then return end
  local any = false
  for level = 1, #stores - 1 do
    local store, tells = over(stores[level], options)
    stores[level], any = store, any or tells
  end
  if not any then
    error("tier: demote needs an upper store that tells what it evicts: a memory or a "
      .. "quota, without a prefix or a pin over it", 0)
  end
end


--- Joins the nodes with their tier.
function Demote.join(tier, options)
  if not options.demote then return end
  local generations = tier.generations
  tier.demotion = Promotion.new(generations, options.promote_queue,
    options.promote_bytes, options.demote.rate)
  tier.demote_decide = Decide.new(options.demote.rule, tier.children[2], options.seen)
  for level = 1, tier.depth - 1 do
    local node = tier.children[level]
    if node.word == "demote" then node.tier, node.level = tier, level end
  end
end


-- ---- copies ----

--- The entries of a batch that the store below lacks. Called by the promotion, as the
--- source of its entries.
function Demote:choose(promotion, entries, exists)
  local answer = self.tier.suspects[self.level + 1]:read(exists)
  local kept, counts = {}, promotion.counts
  for i, entry in ipairs(entries) do
    if answer[i] == "miss" then
      kept[#kept + 1] = entry
    elseif answer[i] == "ok" then
      counts.present = (counts.present or 0) + 1
    else
      counts.failed = counts.failed + 1
    end
  end
  return kept
end


-- ---- the node ----

-- The seconds for which a value is fresh. A ttl keeps it for longer than that.
local function time_left(self, key, ttl)
  local store = self.child
  while store ~= self.memory do
    local by = store.word == "ttl" and store.times and store.times:get(key)
    if by then ttl = by - host.now() end
    store = store.child
  end
  return ttl
end


-- Queues a value that a set has evicted, unless it may be old.
local function add(self, req, key, value, ttl)
  local tier, level = self.tier, self.level
  local since = tier.generations:now()
  ttl = time_left(self, key, ttl)
  local writing = not tier.generations:quiet(key, since)
    and not (tier.exclusive and tier.generations:copying(key))
  if tier.suspects[level]:has(key) or writing or ttl and ttl <= 0
    or not tier.demote_decide:ask(key, #value, level, ttl, req.n) then
    return value:close()
  end
  tier.demotion:add(key, value, self, { tier.children[level + 1] }, since, ttl)
end


-- The slot of a key of a request; nil: it has none.
local function slot_of(req, key)
  for i = 1, req.n do
    if req.keys[i] == key then return i end
  end
end


-- Takes a value that a set has evicted. In an exclusive pair a value that was evicted
-- by its own set was not stored, so it stays below.
local function take(self, req, reply, key, value, ttl)
  local own = self.tier.exclusive and slot_of(req, key)
  if not own then return add(self, req, key, value, ttl) end
  if reply[own] == "ok" then reply:set(own, "rejected") end
  value:close()
end


-- Answers misses with values that wait to be written down. In an exclusive pair no
-- store has them.
local function find_waiting(self, req)
  local reply, demotion = self.child:run(req), self.tier.demotion
  if next(demotion.pending) == nil or reply:all "good" then return reply end
  for i = 1, req.n do
    local value, left
    if reply[i] == "miss" then value, left = demotion:waiting(req.keys[i]) end
    if value and req.op == "get" then
      reply:set(i, "ok", { value = value })
    elseif value then
      reply:set(i, "ok", { size = #value, ttl = left })
    end
  end
  return Lent.land(req, reply)
end


-- Gives values that wait to be written down a new time.
local function touch_waiting(self, req, reply)
  local demotion = self.tier.demotion
  for i = 1, req.n do
    local key = req.keys[i]
    if reply[i] == "miss" and demotion:waiting(key) then
      local entry = demotion.pending[key]
      entry.ttl, entry.asked = req:ttl_of(i), host.now()
      reply:set(i, "ok")
    end
  end
end


-- Only these evict: a touch may need room for the time.
local EVICTS = { set = true, touch = true }

function Demote:answer(req)
  if not self.tier then return self.child:run(req) end
  if self.tier.exclusive and Op.lookups[req.op] then return find_waiting(self, req) end
  if not EVICTS[req.op] then return self.child:run(req) end
  local memory = self.memory
  memory:keep_evicted(self.most, self.most_bytes)
  local reply = self.child:run(req)
  local good, why = pcall(memory.read_evicted, memory, function(key, value, ttl)
    take(self, req, reply, key, value, ttl)
  end)
  memory:keep_evicted(0, 0)
  if not good then error(why, 0) end
  if self.tier.exclusive and req.op == "touch" then touch_waiting(self, req, reply) end
  self.tier.demotion:start()
  return reply
end


Demote.fast_path = Node.pass_hits


function Demote:plan(op)
  if EVICTS[op] then return "writes down what is evicted", { self.child } end
  return "passes", { self.child }
end


return Demote
