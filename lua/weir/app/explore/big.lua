-- big: the largest values, found by a walk that keeps only the best.
local Bytes = require "weir.app.show.bytes"
local Literal = require "weir.app.show.literal"
local Quantity = require "weir.core.quantity"
local Walk = require "weir.app.explore.walk"


-- Keeps the `most` largest in `list`, largest first.
local function keep(list, most, key, size, ttl)
  if #list == most and list[most].size >= size then return end
  local i = math.min(#list + 1, most)
  while i > 1 and list[i - 1].size < size do
    list[i] = list[i - 1]
    i = i - 1
  end
  list[i] = { key = key, size = size, ttl = ttl }
end


local function show(view, list, walk)
  local rows = {}
  for i, entry in ipairs(list) do
    view:object(Bytes.put({ size = entry.size, ttl = entry.ttl }, "key", entry.key))
    rows[i] = { Quantity.bytes(entry.size),
      entry.ttl and Quantity.time(entry.ttl) or "-", (Literal.preview(entry.key, 60)) }
  end
  view:table(rows, "rrl")
  view:line("%s, %s", Quantity.things(walk.keys, "key"), Quantity.bytes(walk.bytes))
end


return {
  name = "big",
  summary = "Show the largest values.",
  description = "Show the largest values with their times to live. The keys are walked "
    .. "a page at a time.",
  stores = 1,
  arguments = {
    { name = "prefix", kind = "prefix", default = "",
      help = "Only keys that begin so." },
    { name = "n", kind = "count", default = 10, help = "How many to show; 10." },
  },
  options = {
    { name = "limit", kind = "count", session = 100000,
      help = "Walk so many keys at most; in a session 100,000." },
  },
  run = function(view, args)
    local walk = Walk.new(view, args.store, args.prefix, { timeout = args.timeout })
    local list = {}
    local function on()
      walk:each(function(page)
        for i = 1, page.n do
          keep(list, args.n, page.keys[i], page.sizes[i], page.ttls[i])
        end
      end, args.limit)
      show(view, list, walk)
      if not walk.ended then view:stopped(args.limit, on) end
      return walk.failures:close()
    end
    view:line("the largest values in %s:", args.store.name)
    return on()
  end,
}
