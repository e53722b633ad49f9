-- du: bytes and keys by the next part of the key, as du does by folder.
local Bytes = require "weir.app.show.bytes"
local Literal = require "weir.app.show.literal"
local Quantity = require "weir.core.quantity"
local Walk = require "weir.app.explore.walk"

-- At most so many groups are counted apart. All later ones are one group.
local GROUPS = 10000
local OTHER = {}


-- The part of a key that stands for its group: up to the first separator after
-- the prefix, or the prefix alone.
local function group_of(key, prefix)
  local _, last = key:find("[/:]", #prefix + 1)
  return last and key:sub(1, last) or prefix
end


local function count(groups, key, size, prefix)
  local name = group_of(key, prefix)
  local group = groups[name]
  if not group then
    if groups.n >= GROUPS then name = OTHER end
    group = groups[name] or { name = name, keys = 0, bytes = 0 }
    groups.n = groups[name] and groups.n or groups.n + 1
    groups[name] = group
  end
  group.keys, group.bytes = group.keys + 1, group.bytes + size
end


local function sorted(groups)
  local list = {}
  for _, group in pairs(groups) do
    if type(group) == "table" then list[#list + 1] = group end
  end
  table.sort(list, function(a, b)
    if a.bytes ~= b.bytes then return a.bytes > b.bytes end
    return tostring(a.name) < tostring(b.name)
  end)
  return list
end


local function row(group, prefix)
  local name = group.name
  if name == OTHER then
    name = "(more groups than are counted)"
  else
    local alone = name == prefix and "  (no further part)" or ""
    name = (Literal.preview(name, 60)) .. alone
  end
  return { Quantity.bytes(group.bytes), Quantity.count(group.keys), name }
end


local function show(view, groups, walk, args)
  local rows, list = {}, sorted(groups)
  for i, group in ipairs(list) do
    if i > args.n then
      view:note("%d smaller groups not shown", #list - args.n)
      break
    end
    local object = { keys = group.keys, bytes = group.bytes }
    if group.name ~= OTHER then Bytes.put(object, "prefix", group.name) end
    view:object(object)
    rows[i] = row(group, args.prefix)
  end
  rows[#rows + 1] = { Quantity.bytes(walk.bytes), Quantity.count(walk.keys), "in all" }
  view:table(rows, "rrl")
end


return {
  name = "du",
  summary = "Count bytes and keys by the next part of the key.",
  description = "Count bytes and keys by the next part of the key, which ends with a "
    .. "/ or a colon: du of \"\" shows user: and session:, du of user: what is below. "
    .. "The keys are walked a page at a time.",
  stores = 1,
  arguments = {
    { name = "prefix", kind = "prefix", default = "",
      help = "Only keys that begin so." },
    { name = "n", kind = "count", default = 20, help = "How many groups to show; 20." },
  },
  options = {
    { name = "limit", kind = "count", session = 100000,
      help = "Walk so many keys at most; in a session 100,000." },
  },
  run = function(view, args)
    local walk = Walk.new(view, args.store, args.prefix, { timeout = args.timeout })
    local groups = { n = 0 }
    local function on()
      walk:each(function(page)
        for i = 1, page.n do
          count(groups, page.keys[i], page.sizes[i], args.prefix)
        end
      end, args.limit)
      show(view, groups, walk, args)
      if not walk.ended then view:stopped(args.limit, on) end
      return walk.failures:close()
    end
    view:line("bytes and keys in %s:", args.store.name)
    return on()
  end,
}
