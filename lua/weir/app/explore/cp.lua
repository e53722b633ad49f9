-- cp: keys with their values and times to live from one store to another, in
-- batches that are bounded in bytes.
local Bytes = require "weir.app.show.bytes"
local Exit = require "weir.app.exit"
local Failures = require "weir.app.explore.failures"
local Literal = require "weir.app.show.literal"
local Quantity = require "weir.core.quantity"
local Walk = require "weir.app.explore.walk"

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


-- Removes the keys that the target has from a page.
function Copy:without_existing(page)
  local reply, kept = self.to:exists_many(page.keys, { timeout = self.timeout }), 0
  for i = 1, page.n do
    local err = reply:error(i)
    if err then
      self.failures:add(page.keys[i], err)
    elseif reply[i] == "ok" then
      self.skipped = self.skipped + 1
    else
      kept = kept + 1
      for _, name in ipairs { "keys", "sizes", "ttls" } do
        page[name][kept] = page[name][i]
      end
    end
  end
  page.n = kept
end


function Copy:page(page)
  if self.skipped and page.n > 0 then self:without_existing(page) end
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


-- Prints the result. Returns the exit code: 1 when keys were left out.
function Copy:summary(walk)
  local failed, left_out = self.failures.n, walk.left_out
  self.view:object {
    keys = self.keys, bytes = self.bytes, failed = failed, dry = self.dry,
    skipped = self.skipped, left_out = left_out > 0 and left_out or nil,
  }
  local text = ("%s %s, %s"):format(self.dry and "would copy" or "copied",
    Quantity.things(self.keys, "key"), Quantity.bytes(self.bytes))
  for _, row in ipairs {
    { self.skipped or 0, "skipped" }, { left_out, "left out" }, { failed, "failed" },
  } do
    if row[1] > 0 then text = ("%s, %s %s"):format(text, row[1], row[2]) end
  end
  self.view:line("%s", text)
  if failed > 0 then return Exit.ERROR end
  return left_out > 0 and Exit.MISS or Exit.OK
end


return {
  name = "cp",
  summary = "Copy keys from one store to another.",
  description = "Copy keys with their values and times to live from one store to "
    .. "another, over what is there. The exit code is 1 when keys of a server were "
    .. "left out, as they are empty or longer than weir's.",
  stores = 2,
  changes = true,
  arguments = {
    { name = "prefix", kind = "prefix", default = "",
      help = "Only keys that begin so." },
  },
  options = {
    { name = "dry", help = "Only show what would be copied." },
    { name = "skip-existing", help = "Leave keys as they are that the other store has. "
      .. "One that it gets in the meantime is overwritten." },
  },
  run = function(view, args)
    local self = setmetatable({
      view = view, from = args.store, to = args.other, timeout = args.timeout,
      dry = args.dry, skipped = args["skip-existing"] and 0, keys = 0, bytes = 0,
      failures = Failures.new(view),
    }, Copy)
    view:line("from %s to %s:", self.from.name, self.to.name)
    local walk = Walk.new(view, self.from, args.prefix, {
      timeout = args.timeout, verb = self.dry and "would copy" or "copied", ask = true,
      failures = self.failures,
    })
    walk:each(function(page) self:page(page) end)
    return self:summary(walk)
  end,
}
