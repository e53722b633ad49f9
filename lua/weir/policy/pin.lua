-- pin { "system/", capacity = "1GiB" }: keeps the values of some keys in a memory of
-- their own beside the store, so that no other traffic evicts them. Pins are soft: when
-- the memory is full, pinned values evict each other. `when` is a prefix of keys, or a
-- function that must say the same of a key each time.
--
-- A pinned key is never asked for in the store. What the store has of keys that another
-- version of `when` did not pin remains there.

local Arguments = require "weir.policy.shared.arguments"
local Chain = require "weir.policy.shared.scan_chain"
local Closing = require "weir.core.closing"
local Held = require "weir.native.held"
local Node = require "weir.policy.shared.node"
local Own = require "weir.policy.shared.own_memory"
local same_function = require "weir.policy.shared.same_function"
local Split = require "weir.policy.shared.split"

local sub = string.sub

local Pin = Node.word "pin"
Pin.REUSES = true


local function when_of(x, what)
  if type(x) == "function" or type(x) == "string" and #x > 0 then return x end
  error(("%s is a prefix of keys, or a function from a key to true or false, not "
    .. "%s"):format(what, Arguments.show(x)), 0)
end


Pin.HELP = "Keeps the values of some keys in a memory of their own, where other "
  .. "traffic does not evict them."
Pin.EXAMPLE = 'ram:pin { "system/", capacity = "1GiB" }'
Pin.OPTIONS = {
  { "when", at = 1, is = when_of, type = "string|fun(key: string): boolean?",
    takes = "string or function",
    required = "a prefix such as \"system/\", or a function",
    help = "which keys are pinned: those with a prefix, or for which fn(key) is true" },
  { "capacity", is = "size", required = "capacity = the memory of pinned values",
    help = "bytes of pinned values; over that they evict each other" },
}

local OWN, BELOW = 1, 2 -- the places of the stores
local FAILED = "pin: the function when failed for the key"


function Pin.new(child, ...)
  local given = Arguments.read("pin", Pin.OPTIONS, ...)
  local options = { capacity = given.capacity }
  Own.check(options, "pin: capacity")
  local store = Own.opener()(options)
  local when = given.when
  local node = Pin:node { children = { child }, when = when, prefix = when,
    fn = type(when) == "function" and when or nil, capacity = given.capacity,
    immediate = child.immediate and store.immediate or false,
    stores = { store, child }, own = { store = store } }
  node.reuses = node.reuses and store.reuses or false
  node.own.owner = node
  return node
end


local function pick_by_prefix(self, key)
  local prefix = self.prefix
  return sub(key, 1, #prefix) == prefix and OWN or BELOW
end


-- 0 if the function fails: the key is then answered invalid.
local function pick_by_function(self, key)
  local ok, pinned = pcall(self.fn, key)
  if not ok then return 0 end
  return pinned and OWN or BELOW
end


local function pick_of(self)
  return self.fn and pick_by_function or pick_by_prefix
end


local function parts(self, asked)
  local list, pick = {}, pick_of(self)
  for at, store in ipairs(self.stores) do
    list[at] = { store = store, prefix = asked, keep = function(keys)
      local keep = {}
      for i, key in ipairs(keys) do keep[i] = pick(self, key) == at end
      return keep
    end }
  end
  return list
end


function Pin:answer(req)
  if req.op == "scan" then return Chain.scan(req, parts(self, req.keys[1])) end
  return Split.run(self, req, pick_of(self), FAILED)
end


-- ---- reload and close ----

--- Takes the memory over from the node that stood here before, if it is for the same
--- keys and has the same capacity.
function Pin:inherit(old, heirs)
  Node.inherit(self, old, heirs)
  local mine, theirs = self.own, old.own
  if self.capacity ~= old.capacity or not same_function(self.when, old.when) then
    return
  end
  if mine ~= theirs then Closing.all { mine.store } end
  self.own, self.stores[OWN], theirs.owner = theirs, theirs.store, self
end


--- The stores to close with the node: none, if a later version of it has them.
function Pin:own_stores()
  return self.own.owner == self and { self.own.store } or {}
end


-- ---- looking at it ----

-- What tally returns.
Pin.STATS = {
  { "bytes", is = "gauge", unit = "bytes", help = "bytes of pinned values" },
  { "entries", is = "gauge", help = "pinned values" },
  { "limit", is = "gauge", unit = "bytes", help = "the capacity for them" },
  { "hits", is = "counter", help = "pinned keys found" },
  { "misses", is = "counter", help = "pinned keys not found" },
  { "evictions", is = "counter",
    help = "pinned values dropped for room: capacity is too small" },
}

function Pin:tally()
  local bytes, entries, evictions = Held.now(self.own.store)
  local hits, misses = Held.answers(self.own.store)
  return { bytes = bytes, entries = entries, limit = self.capacity, hits = hits,
    misses = misses, evictions = evictions }
end


function Pin:plan(op, key)
  if op == "scan" then return "pinned keys first", self.stores end
  local at = pick_of(self)(self, key)
  local why = at == OWN and "is pinned" or at == BELOW and "is not pinned" or FAILED
  return why, { self.stores[at] }
end


return Pin
