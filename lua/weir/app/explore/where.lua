-- where: which stores of a tree hold a key. It reads each store directly, not through
-- the policies above it, so it also shows copies that no policy would use.
local Bytes = require "weir.app.show.bytes"
local Exit = require "weir.app.exit"
local Fetch = require "weir.app.explore.fetch"
local Paths = require "weir.observe.paths"
local Quantity = require "weir.core.quantity"
local root_of = require "weir.app.explore.root"


-- Calls fn(place, key) for each place of a store without stores below, with the key as
-- it gets there.
local function leaves(place, key, fn)
  if #place.children == 0 then return fn(place, key) end
  local store = place.store
  local inner = store.inner_key and store:inner_key(key) or key
  for _, child in ipairs(place.children) do leaves(child, inner, fn) end
end


local function say(facts, err)
  if err then return tostring(err) end
  if not facts then return "-" end
  local ttl = facts.ttl and ", " .. Quantity.time(facts.ttl) .. " to live" or ""
  return Quantity.bytes(facts.size) .. ttl
end


-- Calls fn(place, facts, err) for each store that holds values itself, where place is
-- { path, store, key }, the key as it gets there. A store with several places is read
-- once for each key.
local function each(store, key, opts, fn)
  local known = {}
  leaves(Paths.of(root_of(store)).list[1], key, function(place, inner)
    local leaf = place.store
    known[leaf] = known[leaf] or {}
    local answer = known[leaf][inner] or { leaf:stat(inner, opts) }
    known[leaf][inner] = answer
    fn({ path = place.path, store = leaf, key = inner }, answer[1], answer[2])
  end)
end


return {
  name = "where",
  each = each,
  summary = "Show which stores of a tree hold a key.",
  description = "Show which stores of a policy's tree hold a key, with its size and "
    .. "its time to live there. Each store is read directly, not through the policies.",
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
