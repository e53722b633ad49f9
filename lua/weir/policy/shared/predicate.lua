-- policy/shared/predicate.lua: the words that decide whether a copy is made (promote=
-- of tier) or a value is stored (admit): always, never, hits(n), prob(p), maxsize(b),
-- below(watermark), all(...), any(...), or a function fn(key, info) -> boolean. info
-- has size, level, hits, age, ttl, batch, free, capacity. free and capacity are looked
-- up when they are read.

local Arguments = require "weir.policy.shared.arguments"
local Blame = require "weir.core.blame"
local host = require "weir.host"

---@class weir.Predicate
---@field name string
---@field test fun(key: string, info: table): boolean
---@field counts (boolean|"resident")? it needs to know how often a key was seen; with
---  "resident" since the level below has it
local Predicate = {}
Predicate.__index = Predicate

local words = {}
Predicate.words = words


local function new(name, test, counts)
  return setmetatable({ name = name, test = test, counts = counts }, Predicate)
end


--- The words: what each means, how it is written, and its argument as a row for
--- Arguments.read; all and any take predicates instead.
Predicate.ABOUT = {
  always = { HELP = "Yes to every key.", EXAMPLE = "promote = always", OPTIONS = {} },
  never = { HELP = "No to every key.", EXAMPLE = "promote = never", OPTIONS = {} },
  hits = { HELP = "Yes to a key that was seen n times or more.",
    EXAMPLE = "hits(2)", OPTIONS = {
      { "n", at = 1, is = "count", required = "an argument",
        help = "how often, this time included" },
      -- "ever" keeps more of what comes back after long. "resident" is the textbook's
      -- rule and costs a look at each miss.
      { "since", at = 2, is = { "ever", "resident" }, default = "ever",
        help = "count for ever, or anew when the level below has lost the key" },
    } },
  prob = { HELP = "Yes by chance, with a probability of p.",
    EXAMPLE = "prob(0.1)", OPTIONS = { { "p", at = 1, is = "share",
      required = "an argument", help = "the probability" } } },
  maxsize = { HELP = "Yes to a value of so many bytes or fewer.",
    EXAMPLE = "maxsize(64*KiB)", OPTIONS = { { "bytes", at = 1, is = "size",
      required = "an argument", help = "the largest size" } } },
  below = { HELP = "Yes while less than this share of the store's capacity is in use. "
      .. "A store that does not tell its capacity counts as empty.",
    EXAMPLE = "below(0.9)", OPTIONS = { { "share", at = 1, is = "share",
      required = "an argument", help = "the share of the capacity" } } },
  all = { HELP = "Yes if all of these predicates or functions say yes.",
    EXAMPLE = "all(hits(2), maxsize(64*KiB))", OPTIONS = {} },
  any = { HELP = "Yes if one of these predicates or functions says yes.",
    EXAMPLE = "any(hits(2), prob(0.1))", OPTIONS = {} },
}


local function check(word, x)
  local rows = Predicate.ABOUT[word].OPTIONS
  return Arguments.read(word, rows, x)[rows[1][1]]
end


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


word("hits", function(n, since)
  local given = Arguments.read("hits", Predicate.ABOUT.hits.OPTIONS, { n, since })
  local least, resident = given.n, given.since == "resident"
  return new(("hits(%d%s)"):format(least, resident and ', "resident"' or ""),
    function(_, info) return info.hits >= least end, resident and "resident" or true)
end)


word("prob", function(p)
  p = check("prob", p)
  return new(("prob(%g)"):format(p), function() return host.random() < p end)
end)


word("maxsize", function(bytes)
  bytes = check("maxsize", bytes)
  return new(("maxsize(%d)"):format(bytes), function(_, info)
    return info.size <= bytes
  end)
end)


-- The share of the target's capacity that is in use; unknown counts as room.
word("below", function(watermark)
  watermark = check("below", watermark)
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
    for name, about in pairs(Predicate.ABOUT) do
      if words[name] == x then
        error(("%s: %s needs its argument, such as %s"):format(what, name,
          about.EXAMPLE), 0)
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
    names[i] = list[i].name
    if counts ~= "resident" then counts = list[i].counts or counts end
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
