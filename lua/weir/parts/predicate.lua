-- parts/predicate.lua: the words that decide whether a copy is made (promote= of tier)
-- or a value taken in (admit): always, never, hits(n), prob(p), maxsize(b),
-- below(watermark), all(...), any(...), or a function of one's own
-- fn(key, info) -> boolean. info: size, level, hits, age, ttl, batch, free,
-- capacity; what has to be looked up is looked up when it is read.

local Arguments = require "weir.parts.arguments"
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


-- Errors of a word point at the line that used it.
local function word(name, make)
  words[name] = function(...)
    local ok, result = pcall(make, ...)
    if not ok then error(result, 2) end
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


--- A predicate of a predicate or a function.
function Predicate.of(x, name)
  if getmetatable(x) == Predicate then return x end
  if type(x) == "function" then return new("a function", x, true) end
  error(("%s is a predicate (always, never, hits(n), prob(p), maxsize(b), below(w), "
    .. "all(...), any(...)) or a function, not %s"):format(name, Arguments.show(x)), 0)
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
