-- where: which stores of a tree hold a key. Each is asked itself, past the policies
-- above it, so that copies show that no policy would use.
local Bytes = require "weir.show.bytes"
local Exit = require "weir.cli.exit"
local Fetch = require "weir.explore.fetch"
local Paths = require "weir.tree.paths"
local Quantity = require "weir.show.quantity"
local root_of = require "weir.explore.root"


-- Calls fn(store, key) for each store that asks no other, with the key as it gets
-- there.
local function leaves(store, key, fn, seen)
  if seen[store] then return end
  seen[store] = true
  local children = Paths.children(store)
  if #children == 0 then return fn(store, key) end
  local inner = store.inner_key and store:inner_key(key) or key
  for _, entry in ipairs(children) do leaves(entry[2], inner, fn, seen) end
end


local function say(facts, err)
  if err then return tostring(err) end
  if not facts then return "-" end
  local ttl = facts.ttl and ", " .. Quantity.time(facts.ttl) .. " to live" or ""
  return Quantity.bytes(facts.size) .. ttl
end


-- Asks each store that holds values itself: fn(place, facts, err), where place is
-- { path, store, key }, the key as it gets there.
local function each(store, key, opts, fn)
  local root = root_of(store)
  local paths = Paths.of(root)
  leaves(root, key, function(leaf, inner)
    local place = { path = paths.path[leaf] or leaf.name, store = leaf, key = inner }
    fn(place, leaf:stat(inner, opts))
  end, {})
end


return {
  name = "where",
  each = each,
  summary = "Show which stores of a tree hold a key.",
  description = "Show which stores of a policy's tree hold a key, with its size and "
    .. "its time to live there. Each store is asked itself, past the policies.",
  stores = 1,
  arguments = {
    { name = "key", kind = "key", help = "The key." },
  },
  run = function(view, args)
    local rows, found, code = {}, false, Exit.MISS
    each(args.store, args.key, { timeout = args.timeout }, function(place, facts, err)
      found = found or facts ~= nil
      if err then code = Exit.ERROR end
      view:object(Bytes.put({
        path = place.path, store = place.store.name, error = err and tostring(err),
        size = facts and facts.size, ttl = facts and facts.ttl,
      }, "key", place.key))
      rows[#rows + 1] = { place.path, place.store.name, say(facts, err) }
    end)
    view:table(rows)
    if not found and code == Exit.MISS then Fetch.miss(view, args.key) end
    return found and Exit.OK or code
  end,
}
