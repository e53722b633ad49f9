-- diff: the differences between two stores. Each side is walked a page at a time, and
-- the same keys are read from the other one, so neither needs to fit into memory.
local Bytes = require "weir.app.show.bytes"
local Exit = require "weir.app.exit"
local Failures = require "weir.app.explore.failures"
local Literal = require "weir.app.show.literal"
local Quantity = require "weir.core.quantity"
local Walk = require "weir.app.explore.walk"

local VALUES = 8 * 2 ^ 20 -- bytes of values that are compared at once


local Diff = {}
Diff.__index = Diff


function Diff:tell(mark, kind, key, more)
  self.counts[kind] = self.counts[kind] + 1
  self.view:object(Bytes.put({ difference = kind }, "key", key))
  self.view:line("%s %s%s", mark, Literal.quote(key), more or "")
end


-- Whether the store has a key; nil when that cannot be told.
function Diff:has(reply, i, key)
  local err = reply:error(i)
  if not err then return reply[i] == "ok" end
  self.failures:unreadable(key, err)
end


-- Compares the values of keys whose sizes are equal.
function Diff:compare(keys)
  local a = self.a:get_many(keys, self.opts)
  local b = self.b:get_many(keys, self.opts)
  for i, key in ipairs(keys) do
    if self:has(a, i, key) and self:has(b, i, key) and a:value(i) ~= b:value(i) then
      self:tell("!", "value", key, "  the bytes differ")
    end
  end
  a:close()
  b:close()
end


-- Compares a page of the first store with the same keys of the second.
function Diff:forth(page)
  local reply = self.b:stat_many(page.keys, self.opts)
  local same, bytes = {}, 0
  for i = 1, page.n do
    local key, size = page.keys[i], page.sizes[i]
    local there = self:has(reply, i, key)
    if there == false then
      self:tell("<", "first", key)
    elseif there and reply:size(i) ~= size then
      self:tell("!", "size", key, ("  %s and %s"):format(Quantity.bytes(size),
        Quantity.bytes(reply:size(i))))
    elseif there then
      self.counts.same = self.counts.same + 1
      same[#same + 1], bytes = key, bytes + size
    end
    if self.values and #same > 0 and (bytes >= VALUES or i == page.n) then
      self:compare(same)
      same, bytes = {}, 0
    end
  end
end


-- Finds the keys of a page of the second store that the first has not.
function Diff:back(page)
  local reply = self.a:exists_many(page.keys, self.opts)
  for i = 1, page.n do
    local key = page.keys[i]
    if self:has(reply, i, key) == false then self:tell(">", "second", key) end
  end
end


local function summary(self)
  local c = self.counts
  self.view:line("%s only in %s, %s only in %s, %s differ in size%s, %s the same",
    Quantity.count(c.first), self.a.name, Quantity.count(c.second), self.b.name,
    Quantity.count(c.size),
    self.values and (", %s in bytes"):format(Quantity.count(c.value)) or "",
    Quantity.count(c.same - c.value))
  if not self.values then
    self.view:line "sizes were compared; --values compares bytes"
  end
end


return {
  name = "diff",
  summary = "Show which keys two stores hold differently.",
  description = "Show which keys two stores hold differently: < only the first has it, "
    .. "> only the second, ! their sizes (with --values: their bytes) differ. The exit "
    .. "code is 1 when something does.",
  stores = 2,
  arguments = {
    { name = "prefix", kind = "prefix", default = "",
      help = "Only keys that begin so." },
  },
  options = {
    { name = "values", help = "Compare the bytes of values, too." },
  },
  run = function(view, args)
    local self = setmetatable({
      view = view, a = args.store, b = args.other, values = args.values,
      opts = { timeout = args.timeout }, failures = Failures.new(view),
      counts = { first = 0, second = 0, size = 0, value = 0, same = 0 },
    }, Diff)
    view:line("%s (<) and %s (>):", self.a.name, self.b.name)
    local opts = {
      timeout = args.timeout, verb = "compared", failures = self.failures,
    }
    Walk.new(view, self.a, args.prefix, opts):each(function(p) self:forth(p) end)
    Walk.new(view, self.b, args.prefix, opts):each(function(p) self:back(p) end)
    summary(self)
    local c = self.counts
    local differ = c.first + c.second + c.size + c.value > 0
    return Exit.worst(differ and Exit.MISS or Exit.OK, self.failures:close())
  end,
}
