-- language/policies.lua: the registry of the policy words. A word is a class in
-- policy/WORD.lua. A node (policy/shared/node.lua) is an instance of it: a store that
-- answers a request by running requests on other stores. A word has
--
--     Word.new(...)              makes a node with Word:node { children = ... }
--     Word:answer(req) -> reply  does the work; run, around it, counts and traces
--     Word:plan(op, key)         says in words which way a key would go
--
-- The words are functions of weir. Those over a single store are methods of every
-- store, too. The registry requires the words and no word requires the registry.

local Arguments = require "weir.policy.shared.arguments"
local Back = require "weir.policy.tier.back"
local Blame = require "weir.core.blame"
local Fetch = require "weir.loading.fetch"
local Look = require "weir.loading.look"
local Own = require "weir.language.own"
local Percentile = require "weir.policy.hedge.percentile"
local Predicate = require "weir.policy.shared.predicate"
local Store = require "weir.core.store"
local Sweep = require "weir.policy.chunk.sweep"

local Policies = {}

-- The words over many stores, over one, and over none.
local KINDS = {
  tier = "many", route = "many", bysize = "many", byop = "many", shard = "many",
  mirror = "many", failover = "many", percent = "many", warmup = "many",
  migrate = "many", admit = "one", retry = "one", timeout = "one", deadline = "one",
  breaker = "one", limit = "one", coalesce = "one", negative = "one", ttl = "one",
  prefix = "one", readonly = "one", tap = "one", meter = "one", delay = "one",
  fault = "one", record = "one", ghost = "one", shadow = "one", compress = "one",
  chunk = "one", serialize = "one",
  checksum = "one", crypt = "one", hedge = "one", fail = "none", origin = "none",
  quota = "none", pin = "one", spool = "one",
}


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


-- The maker of each coroutine that loads a policy file; MAIN stands for the main one.
local MAIN = {}
local makers = setmetatable({}, { __mode = "k" })


local function leave(co, before, ...)
  makers[co] = before
  return ...
end


--- Calls fn(...) like pcall. Until fn returns, a word that this coroutine uses calls
--- maker(word, make, ...) for its node; make(...) builds a new one.
---@param maker fun(word: string, make: function, ...): weir.Store
function Policies.with_maker(maker, fn, ...)
  local co = coroutine.running() or MAIN
  local before = makers[co]
  makers[co] = maker
  return leave(co, before, pcall(fn, ...))
end


--- Makes a node. An error in the arguments names the line of the user's code.
function Policies.make(word, ...)
  local kind = KINDS[word]
  local function make(...)
    if kind == "one" then return build(word, kind, unpack_store(...)) end
    return build(word, kind, ...)
  end
  local maker = makers[coroutine.running() or MAIN]
  local ok, node
  if maker then
    ok, node = pcall(maker, word, make, ...)
  else
    ok, node = pcall(make, ...)
  end
  if not ok then error(Blame.placed(node, word), 0) end
  return node
end


-- Sizes that read well in a policy file: 64 * KiB.
local SIZES = { KiB = 2 ^ 10, MiB = 2 ^ 20, GiB = 2 ^ 30, TiB = 2 ^ 40 }


--- The meaning of each word: weir.tier, and `tier` in a policy file.
Policies.words = setmetatable({ policy = Own.new }, {
  __index = function(words, word)
    local meaning = SIZES[word] or Predicate.words[word]
      or Percentile.words[word] or Back.words[word]
    if KINDS[word] then
      meaning = function(...) return Policies.make(word, ...) end
    end
    words[word] = meaning
    return meaning
  end,
})


--- All words, for suggestions.
function Policies.names()
  local names = { "policy" }
  for _, list in ipairs { KINDS, SIZES, Predicate.words, Percentile.words,
    Back.words } do
    for word in pairs(list) do names[#names + 1] = word end
  end
  return names
end


--- How a word over several stores, or over none, is written; nil: it is no such word.
function Policies.example(word)
  local kind = KINDS[word]
  return (kind == "many" or kind == "none") and require("weir.policy." .. word).EXAMPLE
    or nil
end


--- Over how many stores a word stands: "many", "one", "none"; nil: it is no such word.
function Policies.kind(word)
  return KINDS[word]
end


for _, verbs in ipairs { Fetch, Look, Sweep } do
  for name, verb in pairs(verbs) do Store[name] = verb end
end

for word, kind in pairs(KINDS) do
  if kind == "one" then
    Store[word] = function(...) return Policies.make(word, ...) end
  end
end


return Policies
