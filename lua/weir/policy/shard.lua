-- shard { s1, s2, ..., hash="rendezvous", weights=, names=, key=, tags=, replicas= }:
-- sends each key to the store that a hash picks. The hashes are in policy/shard/. A
-- child is known by its name (names=, else the name of the store), so the order of the
-- children does not matter, except with "jump", "ch3" and "crc32", which know only the
-- order. If a store is down its slots are errors. Keys are never silently sent to
-- another store.
--
-- hash = "slots" spreads keys over independent servers by the hash slots of Redis
-- Cluster (CRC16, {tags}); each gets a share of the 16384. It is no client of a
-- cluster: a cluster gives its hash slots to nodes as it likes and answers MOVED for
-- the others.
--
-- key = pattern hashes only a part of the key (the capture, else the match). tags =
-- true hashes only the part in {braces}, as Redis Cluster does ("slots" always does).
-- With replicas = k writes go to the k stores of the key, one write of a key at a time,
-- and the worst status counts. Reads go to the first of them, and on an error to the
-- next.

local Arguments = require "weir.policy.shared.arguments"
local Atomic = require "weir.policy.shared.atomic"
local Chain = require "weir.policy.shared.scan_chain"
local Generations = require "weir.policy.shared.generations"
local Node = require "weir.policy.shared.node"
local Op = require "weir.core.op"
local Parallel = require "weir.policy.shared.parallel"
local Pattern = require "weir.policy.shared.pattern"
local Quorum = require "weir.policy.shared.quorum"
local Reply = require "weir.core.reply"
local Split = require "weir.policy.shared.split"
local status = require "weir.core.status"

local find = string.find

local Shard = Node.word "shard"
Shard.REUSES = "immediate"

Shard.HELP = "Each key goes to the store that the hash of the key picks, or to several "
  .. "of them."
Shard.EXAMPLE = "shard { a, b, c, replicas = 2 }"
Shard.OPTIONS = {
  { "hash", is = { "rendezvous", "jump", "ketama", "slots", "ch3", "crc32" },
    default = "rendezvous", help = "how a key picks its store",
    values = { rendezvous = "the highest hash of key and store name wins",
      jump = "Google's jump hash; only the order of the stores counts",
      ketama = "as memcached clients do",
      slots = "CRC16 hash slots as in Redis Cluster, a range for each store",
      ch3 = "mcrouter's consistent hash; only the order of the stores counts",
      crc32 = "CRC-32 modulo the number of stores; only their order counts" } },
  { "weights", is = "list", type = "number[]",
    help = "one number for each store: its share of the keys, relative to the others" },
  { "names", is = "list", type = "string[]",
    help = "one name for each store, hashed instead of what the store is called" },
  { "key", is = "string",
    help = "Lua pattern: hash its capture, or its match, instead of the whole key" },
  { "tags", is = "boolean", default = false,
    help = "hash only the part of a key in {braces}, as Redis Cluster does" },
  { "replicas", is = "count", default = 1,
    help = "stores that each key is kept in" },
}


-- ---- the names of the children ----

local function names_of(stores, given)
  if given and #given ~= #stores then
    error(("shard: %d stores but %d names"):format(#stores, #given), 0)
  end
  local names, seen = {}, {}
  for i, store in ipairs(stores) do
    local name = tostring(given and given[i] or store.name)
    if seen[name] and given then
      error(("shard: two children are called %q"):format(name), 0)
    end
    -- Stores of one name can only be told apart by their order.
    seen[name] = (seen[name] or 0) + 1
    names[i] = seen[name] > 1 and name .. "#" .. seen[name] or name
  end
  return names
end


local function check_weights(weights, n)
  if not weights then return nil end
  local most = 0
  for i in pairs(weights) do
    if type(i) ~= "number" then
      error(("shard: weights are %d numbers by position; there is one for %s"):format(n,
        Arguments.show(i)), 0)
    end
    most = math.max(most, i)
  end
  if most ~= n then error(("shard: %d stores but %d weights"):format(n, most), 0) end
  for i = 1, n do
    local weight = weights[i]
    if type(weight) ~= "number" or not (weight > 0 and weight < math.huge) then
      error(("shard: weights are %d numbers over 0; number %d is %s"):format(n, i,
        Arguments.show(weight)), 0)
    end
  end
  return weights
end


-- ---- the part of a key that is hashed ----

local function tag_of(key)
  local open = find(key, "{", 1, true)
  local close = open and find(key, "}", open + 1, true)
  if close and close > open + 1 then return key:sub(open + 1, close - 1) end
  return key
end


local function hashed_part(options, placement)
  local pattern = options.key
  local tags = options.tags or placement.tags
  if not pattern then return tags and tag_of or nil end
  local fault = Pattern.fault(pattern)
  if fault then
    error(("shard: key = %q is no Lua pattern: %s"):format(pattern, fault), 0)
  end
  return function(key)
    local part = key:match(pattern) or key
    return tags and tag_of(part) or part
  end
end


-- ---- where a key is ----

local function owner(self, key)
  local part = self.part
  return self.placement:owner(part and part(key) or key)
end


local function owners(self, key)
  local part = self.part
  return self.placement:owners(part and part(key) or key, self.replicas)
end


-- The store that holds the copy number self.turn.
local function owner_of_copy(self, key)
  return owners(self, key)[self.turn]
end


function Shard.new(given)
  local stores, named = Arguments.stores("shard", given, 1)
  local options = Arguments.read("shard", Shard.OPTIONS, named)
  if options.replicas > #stores then
    error(("shard: %d replicas but %d stores"):format(options.replicas, #stores), 0)
  end
  local Placement = require("weir.policy.shard." .. options.hash)
  local names = names_of(stores, options.names)
  return Shard:node {
    children = stores, stores = stores, options = options, names = names,
    placement = Placement.new(names, check_weights(options.weights, #stores)),
    part = hashed_part(options, Placement), replicas = options.replicas,
    generations = options.replicas > 1 and Generations.new() or nil,
  }
end


-- ---- several copies a key ----

-- Runs a request on the stores that hold the copy number `turn`.
local function run_copy(self, turn, req)
  local copy = { name = self.name, stores = self.stores, turn = turn,
    part = self.part, placement = self.placement, replicas = self.replicas }
  return Split.run(copy, req, owner_of_copy)
end


local function read_copies(self, req)
  local reply = run_copy(self, 1, req)
  for turn = 2, self.replicas do
    local slots = {}
    for i = 1, req.n do
      if status.class[reply[i]] == "error" then slots[#slots + 1] = i end
    end
    if #slots == 0 then break end
    reply:merge(run_copy(self, turn, req:subset(slots)), slots)
  end
  return reply
end


-- Writes every copy at once. Each store gets one request for all its keys.
local function write_copies(self, req)
  local lists, stores, requests, slots = {}, {}, {}, {}
  for i = 1, req.n do
    for _, at in ipairs(owners(self, req.keys[i])) do
      lists[at] = lists[at] or {}
      table.insert(lists[at], i)
    end
  end
  for at, list in pairs(lists) do
    local n = #stores + 1
    stores[n], requests[n], slots[n] = self.children[at], req:subset(list), list
  end
  local replies = Parallel.run(stores, requests, #stores)
  local reply, written = Reply.new(req), {}
  reply.req = req
  for n = 1, #stores do
    reply:combine(replies[n], slots[n])
    for j, i in ipairs(slots[n]) do
      local good = status.class[replies[n][j]] ~= "error"
      written[i] = (written[i] or 0) + (good and 1 or 0)
    end
  end
  for i = 1, req.n do
    Quorum.explain(reply, i, self.name, written[i], self.replicas, self.replicas)
  end
  return reply
end


-- Each store lists the keys that reads ask it for first. So its other copies are not
-- listed twice, and keys that another placement left behind are not listed.
local function parts(self)
  local list = {}
  for at, store in ipairs(self.children) do
    list[at] = { store = store, keep = function(keys)
      local keep = {}
      for i, key in ipairs(keys) do keep[i] = owner(self, key) == at end
      return keep
    end }
  end
  return list
end


function Shard:answer(req)
  if req.op == "scan" then return Chain.scan(req, parts(self)) end
  if self.replicas == 1 then return Split.run(self, req, owner) end
  if Op.lookups[req.op] then return read_copies(self, req) end
  if Op.atomic[req.op] then return Atomic.refuse(self, req) end
  return self.generations:write(self, req, write_copies)
end


function Shard:refuses()
  return self.replicas > 1 and Atomic.SEVERAL or nil
end


function Shard:plan(op, key)
  if op == "scan" then return "one after the other", self.children end
  local list = {}
  for i, at in ipairs(owners(self, key)) do list[i] = self.children[at] end
  local names = {}
  for i, at in ipairs(owners(self, key)) do names[i] = self.names[at] end
  return ("%s says %s"):format(self.options.hash, table.concat(names, ", ")), list
end


return Shard
