-- policy.lua: what every word of the policy language is made of. A word is a
-- class in policy/WORD.lua; a node is an instance of it: a store that answers by
-- asking other stores. A word gives
--
--     Word.new(...)              makes a node with Word:node { children = ... }
--     Word:answer(req) -> reply  does the work; run, around it, counts and traces
--     Word:plan(op, key)         says in words which way a key would go
--
-- and the words below are functions of weir and, with one child, methods of
-- every store. weir.policy { children =, run = } makes a node of one's own.

local Arguments = require "weir.parts.arguments"
local Counters = require "weir.parts.counters"
local host = require "weir.host"
local Predicate = require "weir.parts.predicate"
local Reply = require "weir.reply"
local Store = require "weir.store"
local Paths = require "weir.tree.paths"
local Trace = require "weir.tree.trace"

local record = Counters.record

local Policy = {}

-- Every word over stores; those over a single one are methods, too.
local KINDS = {
  tier = "many", route = "many", bysize = "many", byop = "many", shard = "many",
  mirror = "many", failover = "many",
  admit = "one", retry = "one", timeout = "one", deadline = "one", breaker = "one",
  limit = "one", coalesce = "one", negative = "one", ttl = "one", prefix = "one",
  readonly = "one", tap = "one", meter = "one", delay = "one", fault = "one",
  fail = "none",
}


-- ---- nodes ----

---@class weir.Node: weir.Store
---@field word string      the word it was made by
---@field children table   its stores, by position or by name
---@field counters table   what stats.lua reads
local Node = setmetatable({}, { __index = Store })
Node.__index = Node


-- A run of its own for every node: LuaJIT inlines one and the same function at
-- most three deep, and a stack of policies is deeper than that.
local RUN = [[
local host, record, trace, late = ...
return function(self, req)
  local begun = host.now()
  if req.trace then return trace(self, req, begun) end
  local deadline, reply = req.deadline
  if deadline and begun >= deadline then
    reply = late(self, req)
  else
    reply = self:answer(req)
  end
  reply.req = req
  record(self.counters, req, reply, host.now() - begun)
  return reply
end
]]


--- Answers every slot with one status.
function Policy.all(req, status, message, store)
  local reply = Reply.new(req)
  for i = 1, req.n do reply[i] = status end
  reply.good = status == "ok" and req.n or 0
  reply.message, reply.store = message, store
  return reply
end


local function late(self, req)
  return Policy.all(req, "skipped", "the deadline had passed", self.name)
end


local function traced(self, req, begun)
  local entry = req.trace:enter(self, req)
  local gone = req.deadline and begun >= req.deadline
  local reply = gone and late(self, req) or self:answer(req)
  reply.req = req
  local seconds = host.now() - begun
  record(self.counters, req, reply, seconds)
  Trace.leave(entry, req, reply, seconds)
  return reply
end


local function over_all(children, property)
  for _, child in pairs(children) do
    if not child[property] then return false end
  end
  return true
end


--- Makes a node of a word. `immediate` (run never waits) and `bounded` (run
--- returns by the deadline) follow from the children unless the fields say.
function Node:node(fields)
  local node = setmetatable(fields, self)
  node.children = node.children or {}
  node.counters = Counters.new()
  node.name = node.name or self.word
  if node.immediate == nil then
    node.immediate = over_all(node.children, "immediate")
  end
  if node.bounded == nil then node.bounded = over_all(node.children, "bounded") end
  node.run = assert(loadstring(RUN, "=run"))(host, record, traced, late)
  if Store.made then Store.made(node) end
  return node
end


Policy.children = Paths.children


--- Calls fn(store) for every store of a tree once, children first.
function Policy.each(store, fn, seen)
  seen = seen or {}
  if seen[store] then return end
  seen[store] = true
  for _, entry in ipairs(Paths.children(store)) do Policy.each(entry[2], fn, seen) end
  fn(store)
end


--- Closes every store below, each once; opts as the connector's close takes them.
function Node:close(opts)
  Policy.each(self, function(store)
    if store.release then store:release() end
    if not store.word then store:close(opts) end
  end)
end


--- Takes over from the node of the same word that stood here before a reload: its
--- counts, its knowledge of keys, and, over the same children, what remember takes.
function Node:inherit(old)
  self.counters = old.counters
  if type(self.keys) == "table" then self.keys:adopt(old.keys) end
  local same = true
  for label, child in pairs(self.children) do
    if old.children[label] ~= child then
      same = false
    elseif self.suspects then
      self.suspects[label] = old.suspects[label]
    end
  end
  if same and self.remember then self:remember(old) end
end


--- Which way a key would go: a sentence, and the children that would be asked.
function Node:plan()
  local children = {}
  for i, entry in ipairs(Policy.children(self)) do children[i] = entry[2] end
  return "asks " .. (#children == 1 and "its store" or "its stores"), children
end


-- ---- words ----

--- A class for a word.
function Policy.word(word)
  local class = setmetatable({ word = word }, { __index = Node })
  class.__index, class.__tostring = class, Store.__tostring
  return class
end


-- `retry { store, 3 }` says the same as `retry(store, { 3 })`.
local function unpack_store(first, ...)
  if type(first) ~= "table" or Store.is(first) or not Store.is(first[1]) then
    return first, ...
  end
  local rest = {}
  for name, value in pairs(first) do
    if type(name) ~= "number" then rest[name] = value end
  end
  for i = 2, #first do rest[i - 1] = first[i] end
  return first[1], rest
end


local function build(word, kind, ...)
  local class = require("weir.policy." .. word)
  local first = ...
  if kind == "one" and class.connector and not Store.is(first) then
    return class.connector(first)
  end
  if kind == "one" then Arguments.store(word, "its first argument", first) end
  return class.new(...)
end


-- Reloading puts itself here while it reads a file: carry(word, make, ...)
-- returns a node that an earlier generation built from the same arguments.
Policy.carry = nil


--- Makes a node; what is wrong with the arguments is raised `level` frames up.
function Policy.make(level, word, ...)
  local kind = KINDS[word]
  local function make(...)
    if kind == "one" then return build(word, kind, unpack_store(...)) end
    return build(word, kind, ...)
  end
  local carry = Policy.carry
  local ok, node
  if carry then
    ok, node = pcall(carry, word, make, ...)
  else
    ok, node = pcall(make, ...)
  end
  if not ok then error(node, type(node) == "string" and level + 1 or 0) end
  return node
end


-- Sizes that read well in a policy file: 64 * KiB.
local SIZES = { KiB = 2 ^ 10, MiB = 2 ^ 20, GiB = 2 ^ 30, TiB = 2 ^ 40 }


--- What each word stands for: weir.tier, and `tier` in a policy file.
Policy.words = setmetatable({}, {
  __index = function(words, word)
    local meaning = SIZES[word] or Predicate.words[word]
    if KINDS[word] then
      meaning = function(...) return Policy.make(2, word, ...) end
    elseif word == "policy" then
      meaning = Policy.custom
    end
    words[word] = meaning
    return meaning
  end,
})


--- All words, for suggestions.
function Policy.names()
  local names = { "policy" }
  for _, list in ipairs { KINDS, SIZES, Predicate.words } do
    for word in pairs(list) do names[#names + 1] = word end
  end
  return names
end


--- Whether a store is a word over a single store.
function Policy.is_wrapper(store)
  return KINDS[store.word] == "one"
end


for word, kind in pairs(KINDS) do
  if kind == "one" then
    Store[word] = function(...) return Policy.make(2, word, ...) end
  end
end


-- ---- a node of one's own ----

local Custom = Policy.word "policy"

function Custom:answer(req)
  local reply = self.custom(self, req)
  if getmetatable(reply) ~= Reply or reply.n ~= req.n then
    error(("%s: run must return a reply of %d slots"):format(self.name, req.n), 0)
  end
  return reply
end


local CUSTOM = {
  { "custom", is = "callable", required = "run, a function (self, request) -> reply" },
  { "children", is = "list", default = {} },
  { "name", is = "name", default = "policy" },
  { "plan", is = "callable" },
  { "bounded", is = "boolean", default = false },
  { "immediate", is = "boolean", default = false },
}


--- Makes a store of a function: run(self, request) -> reply.
---@param fields { run: function, children: table?, name: string?, plan: function? }
---@return weir.Store
function Policy.custom(fields)
  if type(fields) ~= "table" then
    error("policy takes a table with run, not " .. Arguments.show(fields), 2)
  end
  local named = { custom = fields.run }
  for name, value in pairs(fields) do
    if name ~= "run" then named[name] = value end
  end
  local ok, given = pcall(Arguments.read, "policy", CUSTOM, named)
  if not ok then error(given, 2) end
  given.title = given.name
  for label, child in pairs(given.children) do
    if not Store.is(child) then
      error(("policy: child %s is a store, not %s"):format(tostring(label),
        Arguments.show(child)), 2)
    end
  end
  return Custom:node(given)
end


return Policy
