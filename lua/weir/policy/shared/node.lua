-- policy/shared/node.lua: the base class of all words. run counts and traces each
-- request and keeps the deadline; the word's own answer does the work. A word makes its
-- class with Node.word. language/own.lua makes a node of a user's function.

local Closing = require "weir.core.closing"
local Counters = require "weir.observe.counters"
local host = require "weir.host"
local Reply = require "weir.core.reply"
local Store = require "weir.core.store"
local Levels = require "weir.policy.shared.levels"
local Made = require "weir.core.made"
local Paths = require "weir.observe.paths"
local Trace = require "weir.observe.trace"
local Unsaved = require "weir.core.unsaved"

local record, end_trace = Counters.record, Levels.end_trace

---@class weir.Node: weir.Store
---@field word string      the word it was made by
---@field children table   its stores, by position or by name
---@field counters table   read by observe/stats.lua
---@field reuses boolean?  when run has returned, nothing refers to the request, and
---  nothing but the caller to the reply, so both are used again
---@field REUSES (boolean|"immediate")? of the word: whether that is so if it is so of
---  all children ("immediate": and run never waits)
---@field ends_trace boolean  see levels.lua
---@field own_stores (fun(self: weir.Node): weir.Store[])?  the stores that the node
---  opened by itself, for whoever closes them: the node opens no further ones
---@field bodiless boolean? values below have a size and no bytes (replay, ghost)
---@field STATS table[]?   of the word: what tally returns, as observe/schema.lua says
local Node = setmetatable({}, { __index = Store })
Node.__index = Node


--- Makes the class of a word. Its nodes are made by Class:node.
---@param word string
function Node.word(word)
  local class = setmetatable({ word = word }, { __index = Node })
  class.__index, class.__tostring = class, Store.__tostring
  return class
end


--- Whether a store is a node over a single store, its child.
function Node.is_wrapper(store)
  return store.word ~= nil and store.child ~= nil
end


--- The store that a chain of words over a single store ends at.
function Node.bottom(store)
  while Node.is_wrapper(store) do store = store.child end
  return store
end


local function late(self, req)
  return Reply.uniform(req, "skipped", "the deadline had passed", self.name)
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


-- What run of a node is; see levels.lua.
local function run(self, req)
  local begun = host.now()
  if req.trace then return traced(self, req, begun) end
  if self.ends_trace then end_trace() end
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


local function over_all(children, property)
  for _, child in pairs(children) do
    if not child[property] then return false end
  end
  return true
end


local function has_any(children, property)
  for _, child in pairs(children) do
    if child[property] then return true end
  end
  return false
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
  if node.bodiless == nil then node.bodiless = has_any(node.children, "bodiless") end
  node.reuses = self.REUSES and (self.REUSES ~= "immediate" or node.immediate)
    and over_all(node.children, "reuses") or false
  node.level = Levels.of(node.children)
  node.ends_trace = Levels.ends_trace(node.level)
  node.run = Levels.copy(self, run, node.level)
  node.answer = Levels.copy(self, node.answer, node.level)
  Made.announce(node)
  return node
end


--- Flushes dirty writes, then begins to close every store below, each once. Returns a
--- function that waits for the end of all.
function Node:begin_close(opts)
  local lost = Unsaved.at_close(self, opts)
  local stores = {}
  Paths.each(self, function(store)
    if not store.word then stores[#stores + 1] = store end
    for _, own in ipairs(store.own_stores and store:own_stores() or {}) do
      stores[#stores + 1] = own
    end
  end)
  return Unsaved.told(Closing.begin(stores, opts), lost)
end


--- The fast path of words that pass gets and keep nothing of a hit. A word that does
--- more than count hits overrides count_hits, too.
function Node:pass_hits()
  return self.child
end


--- Counts hits of the store that fast_path returned, as if the requests had passed.
---@param hits { batches: integer, keys: integer, bytes: number, seconds: number,
---  longest: number }
function Node:count_hits(hits)
  Counters.add_hits(self.counters, hits)
end


-- Lets each of the new list's objects share the state of the old one's, by label.
local function adopt_copies(list, old, heirs)
  for label, known in pairs(list) do
    local before = old[heirs[label]]
    if before then known:adopt(before) end
  end
end


--- Takes over from the node of the same word that stood here before a reload: its
--- counters, what it knows of its keys and of the copies in its stores, and, over the
--- same children, what remember takes over. heirs: for each child the label of the old
--- child that it replaces.
function Node:inherit(old, heirs)
  self.counters = old.counters
  if self.generations and old.generations then
    self.generations:adopt(old.generations)
  end
  if self.suspects then adopt_copies(self.suspects, old.suspects, heirs) end
  if self.stand_ins then adopt_copies(self.stand_ins, old.stand_ins, heirs) end
  local same = true
  for label, child in pairs(self.children) do
    same = same and old.children[label] == child
  end
  if same and self.remember then return self:remember(old) end
  self:forget()
end


-- ---- events (core/events.lua) ----

--- The stores whose events are those of the node: all its children.
function Node:sources()
  local list = {}
  for i, entry in ipairs(Paths.children(self)) do list[i] = entry[2] end
  return list
end


--- A node can tell if all its sources can.
function Node:can_tell()
  local sources = self:sources()
  if #sources == 0 then return Store.can_tell(self) end
  local alone = true
  for _, source in ipairs(sources) do
    local able, why = source:can_tell()
    if not able then return nil, why end
    alone = alone and able == "alone"
  end
  return alone and "alone" or true
end


--- Begins to listen to the sources.
function Node:listen_below()
  if self.seeing then return end
  self.seeing = {}
  for _, source in ipairs(self:sources()) do source:listen(self) end
end


--- Passes events on. A node sees if all its sources do. A word that keeps copies has a
--- hear of its own, which ends in this one.
function Node:hear(event, what, source)
  if event == "changed" then
    if self.sees then self:tell(event, what) end
    return
  end
  self.seeing[source] = event == "regained"
  local all = true
  for _, one in ipairs(self:sources()) do all = all and self.seeing[one] == true end
  if all ~= (self.sees == true) then self:tell(all and "regained" or "lost", what) end
end


-- ---- reload ----

--- Drops knowledge that another version of the tree may have made wrong meanwhile. It
--- is called when an undo lets the node serve again.
function Node:forget()
end


--- Says which way a key would go: a sentence, and the children that would be asked.
function Node:plan()
  local children = {}
  for i, entry in ipairs(Paths.children(self)) do children[i] = entry[2] end
  return "asks " .. (#children == 1 and "its store" or "its stores"), children
end


return Node
