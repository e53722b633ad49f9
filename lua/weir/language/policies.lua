-- language/policies.lua: the words of the policy language. A word is a class in
-- policy/WORD.lua; a node (node.lua) is an instance of it: a store that answers by
-- asking other stores. A word gives
--
--     Word.new(...)              makes a node with Word:node { children = ... }
--     Word:answer(req) -> reply  does the work; run, around it, counts and traces
--     Word:plan(op, key)         says in words which way a key would go
--
-- and the words below are functions of weir and, with one child, methods of
-- every store. weir.policy { children =, run = } makes a node of one's own.

local Arguments = require "weir.policy.shared.arguments"
local Blame = require "weir.core.blame"
local Node = require "weir.policy.shared.node"
local Paths = require "weir.observe.paths"
local Predicate = require "weir.policy.shared.predicate"
local Store = require "weir.core.store"

local Policy = {
  all = Node.all,
  children = Paths.children,
  each = Paths.each,
}

-- Every word over stores; those over a single one are methods, too.
local KINDS = {
  tier = "many", route = "many", bysize = "many", byop = "many", shard = "many",
  mirror = "many", failover = "many",
  admit = "one", retry = "one", timeout = "one", deadline = "one", breaker = "one",
  limit = "one", coalesce = "one", negative = "one", ttl = "one", prefix = "one",
  readonly = "one", tap = "one", meter = "one", delay = "one", fault = "one",
  fail = "none",
}


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


--- Makes a node; what is wrong with the arguments is raised at the user's line.
function Policy.make(word, ...)
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
  if not ok then error(Blame.placed(node, word), 0) end
  return node
end


-- Sizes that read well in a policy file: 64 * KiB.
local SIZES = { KiB = 2 ^ 10, MiB = 2 ^ 20, GiB = 2 ^ 30, TiB = 2 ^ 40 }


--- What each word stands for: weir.tier, and `tier` in a policy file.
Policy.words = setmetatable({}, {
  __index = function(words, word)
    local meaning = SIZES[word] or Predicate.words[word]
    if KINDS[word] then
      meaning = function(...) return Policy.make(word, ...) end
    elseif word == "policy" then
      meaning = require("weir.language.own").new
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


--- The store that a chain of words over a single store ends at.
function Policy.bottom(store)
  while Policy.is_wrapper(store) do store = store.child end
  return store
end


for word, kind in pairs(KINDS) do
  if kind == "one" then
    Store[word] = function(...) return Policy.make(word, ...) end
  end
end


return Policy
