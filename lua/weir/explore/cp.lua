-- cp: keys with their values and times to live from one store to another, in
-- batches that are bounded in bytes.
local Bytes = require "weir.show.bytes"
local Exit = require "weir.cli.exit"
local Failures = require "weir.explore.failures"
local Literal = require "weir.show.literal"
local Quantity = require "weir.show.quantity"
local Walk = require "weir.explore.walk"

local BATCH = 8 * 2 ^ 20 -- bytes of values on their way at once


local Copy = {}
Copy.__index = Copy


function Copy:copied(key, size)
  self.keys, self.bytes = self.keys + 1, self.bytes + size
  if self.dry then
    self.view:line("%s  %s", Quantity.bytes(size), Literal.quote(key))
    self.view:object(Bytes.put({ size = size }, "key", key))
  end
end


-- Copies some keys that have the same time to live.
function Copy:batch(keys, ttl)
  local read = self.from:get_many(keys, { timeout = self.timeout })
  local there, values = {}, {}
  for i, key in ipairs(keys) do
    local err = read:error(i)
    if err then
      self.failures:add(key, err)
    elseif read[i] == "ok" then
      there[#there + 1], values[#values + 1] = key, read:value(i)
    end
  end
  local written = self.to:set_many(there, values, { timeout = self.timeout, ttl = ttl })
  for i, key in ipairs(there) do
    local err = written:error(i)
    if err then self.failures:add(key, err) else self:copied(key, #values[i]) end
  end
  read:close()
end


-- The keys of a page by their time to live in whole seconds, rounded up.
local function by_ttl(page)
  local groups = {}
  for i = 1, page.n do
    local ttl = page.ttls[i] and math.max(1, math.ceil(page.ttls[i])) or 0
    local group = groups[ttl] or {}
    group[#group + 1] = i
    groups[ttl] = group
  end
  return groups
end


function Copy:page(page)
  if self.dry then
    for i = 1, page.n do self:copied(page.keys[i], page.sizes[i]) end
    return
  end
  for ttl, slots in pairs(by_ttl(page)) do
    local keys, bytes = {}, 0
    for n, i in ipairs(slots) do
      keys[#keys + 1], bytes = page.keys[i], bytes + page.sizes[i]
      if bytes >= BATCH or n == #slots then
        self:batch(keys, ttl > 0 and ttl or nil)
        keys, bytes = {}, 0
      end
    end
  end
end


return {
  name = "cp",
  summary = "Copy keys from one store to another.",
  description = "Copy keys with their values and times to live from one store to "
    .. "another, over what is there.",
  stores = 2,
  changes = true,
  arguments = {
    { name = "prefix", kind = "prefix", default = "",
      help = "Only keys that begin so." },
  },
  options = {
    { name = "dry", help = "Only show what would be copied." },
  },
  run = function(view, args)
    local self = setmetatable({
      view = view, from = args.store, to = args.other, timeout = args.timeout,
      dry = args.dry, keys = 0, bytes = 0, failures = Failures.new(view),
    }, Copy)
    view:line("from %s to %s:", self.from.name, self.to.name)
    local walk = Walk.new(view, self.from, args.prefix, {
      timeout = args.timeout, verb = self.dry and "would copy" or "copied", ask = true,
      failures = self.failures,
    })
    walk:each(function(page) self:page(page) end)
    local failed = self.failures.n
    view:object {
      keys = self.keys, bytes = self.bytes, failed = failed, dry = self.dry,
    }
    view:line("%s %s, %s%s", self.dry and "would copy" or "copied",
      Quantity.things(self.keys, "key"), Quantity.bytes(self.bytes),
      failed > 0 and (", %d failed"):format(failed) or "")
    return failed > 0 and Exit.ERROR or Exit.OK
  end,
}
