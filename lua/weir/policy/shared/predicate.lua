-- policy/shared/predicate.lua: the words that decide whether a copy is made (promote=
-- of tier) or a value is stored (admit): always, never, hits(n), prob(p), maxsize(b),
-- bigger(b), below(share), age(seconds), tinylfu{}, cheaper{}, all(...), any(...),
-- or a function fn(key, info) -> boolean. info has size, level, hits, age, ttl, batch,
-- free, capacity, queue. The last three are looked up when they are read.

local Arguments = require "weir.policy.shared.arguments"
local Blame = require "weir.core.blame"
local Quantity = require "weir.core.quantity"
local Sketch = require "weir.policy.shared.sketch"
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


-- The seconds for a KiB.
local function cost_of(x, what)
  local seconds = x
  if type(x) == "string" then seconds = Quantity.seconds((x:gsub("/KiB$", ""))) end
  if type(seconds) == "number" and seconds > 0 and seconds < math.huge then
    return seconds
  end
  error(("%s is the time for a KiB, such as \"40us/KiB\", not %s%s"):format(what,
    Arguments.show(x), Quantity.excess(x, Quantity.seconds)), 0)
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
  bigger = { HELP = "Yes to a value of more bytes than that.",
    EXAMPLE = "bigger(64*KiB)", OPTIONS = { { "bytes", at = 1, is = "size",
      required = "an argument", help = "the size that is too small" } } },
  below = { HELP = "Yes while less than this share of the store's capacity or of its "
      .. "queue is in use. A store that does not tell counts as empty.",
    EXAMPLE = "below(0.9)", OPTIONS = {
      { "share", at = 1, is = "share", required = "an argument",
        help = "the share of the capacity or of the queue" },
      { "of", at = 2, is = { "capacity", "queue" }, default = "capacity",
        help = "what has to have room: memory, or the queue that sets wait in" },
    } },
  age = { HELP = "Yes to a key that was first seen so long ago.",
    EXAMPLE = "age(60)", OPTIONS = { { "seconds", at = 1, is = "seconds",
      required = "an argument", help = "since the key was first seen" } } },
  tinylfu = { HELP = "Yes while 1/16 of the store is free, then to a key seen n "
      .. "times lately. Counts fade.",
    EXAMPLE = "tinylfu { 2 }", OPTIONS = {
      { "n", at = 1, is = "count", default = 2,
        help = "how often, this time included; up to 15" },
      { "keys", is = "count", default = 65536,
        help = "keys that are told apart; 8 to 16 bytes each" },
    } },
  cheaper = { HELP = "Yes if loading a value again takes less time than computing it.",
    EXAMPLE = 'cheaper { load = "1.5GB/s", recompute = "40us/KiB" }', OPTIONS = {
      { "load", is = "any", type = "number|string",
        required = "load = bytes a second, such as \"1.5GB/s\"",
        help = "bytes a second that the store is read with" },
      { "recompute", is = cost_of, type = "weir.Time", takes = "time",
        required = "recompute = the time for a KiB, such as \"40us/KiB\"",
        help = "time to compute a KiB of a value" },
      { "latency", is = "seconds", default = 1e-9,
        help = "time that a read takes before the first byte" },
    } },
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


word("bigger", function(bytes)
  bytes = check("bigger", bytes)
  return new(("bigger(%d)"):format(bytes), function(_, info)
    return info.size > bytes
  end)
end)


-- A capacity that is unknown counts as room.
word("below", function(share, of)
  local given = Arguments.read("below", Predicate.ABOUT.below.OPTIONS, { share, of })
  local most = given.share
  if given.of == "queue" then
    return new(('below(%g, "queue")'):format(most), function(_, info)
      return info.queue < most
    end)
  end
  return new(("below(%g)"):format(most), function(_, info)
    local free, capacity = info.free, info.capacity
    return not free or (capacity - free) / capacity < most
  end)
end)


word("age", function(seconds)
  seconds = check("age", seconds)
  return new(("age(%g)"):format(seconds), function(_, info)
    return info.age >= seconds
  end, true)
end)


-- A store that evicts stays a little below its capacity.
local ROOM = 1 / 16

-- TinyLFU compares a key with the one that would be evicted for it, which a store does
-- not tell. So there is a bound here.
word("tinylfu", function(given)
  local options = Arguments.read("tinylfu", Predicate.ABOUT.tinylfu.OPTIONS, given)
  local least, sketch = options.n, Sketch.new(options.keys)
  if least > 15 then error("tinylfu: n is 15 at most, the most that is counted", 0) end
  return new(("tinylfu(%d)"):format(least), function(key, info)
    local seen, free = sketch:see(key), info.free
    return seen >= least or free ~= nil and free > info.capacity * ROOM
  end)
end)


local function rate_of(x)
  local bytes = type(x) == "string" and Quantity.size((x:gsub("/s$", ""))) or x
  if type(bytes) == "number" and bytes > 0 then return bytes end
  error(("cheaper: load is bytes a second over 0, such as \"1.5GB/s\", not %s%s")
    :format(Arguments.show(x), Quantity.excess(x, Quantity.size)), 0)
end


word("cheaper", function(given)
  local options = Arguments.read("cheaper", Predicate.ABOUT.cheaper.OPTIONS, given)
  local load, recompute, latency = rate_of(options.load), options.recompute,
    options.latency
  return new(("cheaper(%g B/s, %g s/KiB)"):format(load, recompute), function(_, info)
    return latency + info.size / load < info.size / 1024 * recompute
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
  error(("%s is a predicate such as hits(2) (or always, never, prob, maxsize, bigger, "
    .. "below, all, any), or a function, not %s%s%s"):format(what,
    type(x) == "number" and "the number " or "", Arguments.show(x), hint(x)), 0)
end


local function combine(name, ...)
  if select("#", ...) == 0 then
    error(("%s: needs a predicate, such as %s"):format(name,
      Predicate.ABOUT[name].EXAMPLE), 0)
  end
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
