-- policy/shared/predicate.lua: the words that decide whether a copy is made (promote=
-- of tier) or a value taken in (admit): always, never, hits(n), prob(p), maxsize(b),
-- below(watermark), all(...), any(...), or a function of one's own fn(key, info) ->
-- boolean. info: size, level, hits, age, ttl, batch, free, capacity; what has to be
-- looked up is looked up when it is read.

local Arguments = require "weir.policy.shared.arguments"
local Blame = require "weir.core.blame"
local host = require "weir.host"

---@class weir.Predicate
---@field name string
---@field test fun(key: string, info: table): boolean
---@field counts boolean? it needs to know how often a key was seen
local Predicate = {}
Predicate.__index = Predicate

local words = {}
Predicate.words = words


local function new(name, test, counts)
  return setmetatable({ name = name, test = test, counts = counts }, Predicate)
end


local function check(word, kind, x)
  return Arguments.read(word, { { "its argument", at = 1, is = kind,
    required = "an argument" } }, x)["its argument"]
end


-- How each word that takes arguments is written.
local EXAMPLES = { hits = "hits(2)", prob = "prob(0.1)", maxsize = "maxsize(64*KiB)",
  below = "below(0.9)", all = "all(hits(2), maxsize(64*KiB))",
  any = "any(hits(2), prob(0.1))" }


-- Errors of a word point at the line that used it.
local function word(name, make)
  words[name] = function(...)
    local ok, result = pcall(make, ...)
    if not ok then error(Blame.placed(result, name), 0) end
    return result
  end
end


words.always = new("always", function() return true end)
words.never = new("never", function() return false end)


word("hits", function(n)
  n = check("hits", "count", n)
  return new(("hits(%d)"):format(n), function(_, info) return info.hits >= n end, true)
end)


word("prob", function(p)
  p = check("prob", "share", p)
  return new(("prob(%g)"):format(p), function() return host.random() < p end)
end)


word("maxsize", function(bytes)
  bytes = check("maxsize", "size", bytes)
  return new(("maxsize(%d)"):format(bytes), function(_, info)
    return info.size <= bytes
  end)
end)


-- The share of the target's capacity that is in use; unknown counts as room.
word("below", function(watermark)
  watermark = check("below", "share", watermark)
  return new(("below(%g)"):format(watermark), function(_, info)
    local free, capacity = info.free, info.capacity
    return not free or (capacity - free) / capacity < watermark
  end)
end)


-- What was meant, where it can be guessed.
local function hint(x)
  if type(x) == "number" and x >= 1 and x % 1 == 0 then
    return ("; did you mean hits(%d)?"):format(x)
  end
  if type(x) == "string" and words[x] then
    return ("; it is a word: write %s without quotes"):format(x)
  end
  return ""
end


--- A predicate of a predicate or a function. what: who takes it, for the message.
function Predicate.of(x, what)
  if getmetatable(x) == Predicate then return x end
  if type(x) == "function" then
    for name, example in pairs(EXAMPLES) do
      if words[name] == x then
        error(("%s: %s needs its argument, such as %s"):format(what, name, example), 0)
      end
    end
    return new("a function", x, true)
  end
  error(("%s is a predicate such as hits(2) (or always, never, prob, maxsize, below, "
    .. "all, any), or a function, not %s%s%s"):format(what,
    type(x) == "number" and "the number " or "", Arguments.show(x), hint(x)), 0)
end


local function combine(name, ...)
  local list, names, counts = {}, {}, false
  for i = 1, select("#", ...) do
    list[i] = Predicate.of((select(i, ...)), name .. ": argument " .. i)
    names[i], counts = list[i].name, counts or list[i].counts
  end
  return list, ("%s(%s)"):format(name, table.concat(names, ", ")), counts
end


word("all", function(...)
  local list, name, counts = combine("all", ...)
  return new(name, function(key, info)
    for i = 1, #list do
      if not list[i].test(key, info) then return false end
    end
    return true
  end, counts)
end)


word("any", function(...)
  local list, name, counts = combine("any", ...)
  return new(name, function(key, info)
    for i = 1, #list do
      if list[i].test(key, info) then return true end
    end
    return false
  end, counts)
end)


return Predicate
