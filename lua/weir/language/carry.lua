-- language/carry.lua: the stores that a reload keeps. While a policy file is read, each
-- word looks for a store that the version before made from the same word and equal
-- arguments. If there is one, it is used again, with its connections, contents,
-- counters and state. Equal arguments are the same plain values, the same stores, and
-- predicates of the same name. Two functions are never equal.
--
-- A node that is made anew in the place of a node of the same word inherits its
-- counters, and the state that must not be lost (Node:inherit).

local Paths = require "weir.observe.paths"
local Node = require "weir.policy.shared.node"
local Predicate = require "weir.policy.shared.predicate"

local Carry = {}
Carry.__index = Carry

local ids, last_id = setmetatable({}, { __mode = "k" }), 0


-- A number for each object that is equal only to itself.
local function identity(x)
  if not ids[x] then
    last_id = last_id + 1
    ids[x] = last_id
  end
  return ids[x]
end


local describe

local function describe_table(t)
  local parts = {}
  for key, value in pairs(t) do
    parts[#parts + 1] = describe(key) .. "=" .. describe(value)
  end
  table.sort(parts)
  return "{" .. table.concat(parts, ",") .. "}"
end


function describe(x)
  local kind = type(x)
  if kind == "string" then return ("%q"):format(x) end
  if kind == "number" or kind == "boolean" or x == nil then return tostring(x) end
  local meta = getmetatable(x)
  if meta == Predicate and not x.name:match "function" then return x.name end
  if kind == "table" and meta == nil and type(x.run) ~= "function" then
    return describe_table(x)
  end
  return "#" .. identity(x)
end


--- before: the Carry of the version whose stores may be used again, or nil.
function Carry.new(before)
  local waiting = {}
  for key, stores in pairs(before and before.made or {}) do
    waiting[key] = { unpack(stores) }
  end
  return setmetatable({ waiting = waiting, made = {}, fresh = {} }, Carry)
end


--- Returns the store of a word and its arguments: an old one, or a new one from
--- make(...).
function Carry:store(word, make, ...)
  local parts = { word }
  for i = 1, select("#", ...) do parts[i + 1] = describe((select(i, ...))) end
  local key = table.concat(parts, " ")
  local store = self.waiting[key] and table.remove(self.waiting[key], 1)
  if not store then
    store = make(...)
    self.fresh[#self.fresh + 1] = store
  end
  self.made[key] = self.made[key] or {}
  table.insert(self.made[key], store)
  return store
end


--- All stores of this version as a set.
function Carry:all()
  local set = {}
  for _, stores in pairs(self.made) do
    for _, store in ipairs(stores) do set[store] = true end
  end
  return set
end


-- For each child of a new node, the label of the child of the old node that it
-- replaces: the one over the same store, else the one in the same place if that has
-- left.
local function heirs_of(new, old)
  local stores, labels, heirs, taken = {}, {}, {}, {}
  for label, child in pairs(old.children) do
    stores[label] = Node.bottom(child)
    labels[stores[label]] = label
  end
  for label, child in pairs(new.children) do
    local store = Node.bottom(child)
    heirs[label] = stores[label] == store and label or labels[store]
    if heirs[label] then taken[heirs[label]] = true end
  end
  for label in pairs(new.children) do
    if not heirs[label] and not taken[label] then heirs[label] = label end
  end
  return heirs
end


--- Lets new nodes inherit from the nodes that stood in their places and have left. A
--- node that was carried over to another place keeps its own state. A node that
--- inherits nothing forgets. After an undo `new_root` is the older tree.
function Carry.inherit(old_root, new_root)
  local old, new = Paths.of(old_root), Paths.of(new_root)
  for node, path in pairs(new.path) do
    if node.inherit and not old.path[node] then
      local before = old.store[path]
      local first = before and old.path[before] == path
      if first and before.word == node.word and not new.path[before] then
        node:inherit(before, heirs_of(node, before))
      else
        node:forget()
      end
    end
  end
end


return Carry
