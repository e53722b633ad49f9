-- app/explore/unlisted.lua: keys of a server that no scan of weir shows, as weir has no
-- such keys: empty ones and those over 65536 bytes. A connector that meets them counts
-- them.
local Quantity = require "weir.core.quantity"

---@class weir.Unlisted
local Unlisted = {}
Unlisted.__index = Unlisted


-- The count of the stores of a tree so far.
local function total(store)
  local all, sum = store:stats(), 0
  if all.ops then all = { all } end
  for _, entry in pairs(all) do
    local gauges = type(entry) == "table" and entry.gauges
    sum = sum + (gauges and gauges.scan_left_out or 0)
  end
  return sum
end


--- Begins to count.
---@param store weir.Store
---@return weir.Unlisted
function Unlisted.new(store)
  return setmetatable({ store = store, before = total(store) }, Unlisted)
end


--- How many were left out since then, and a sentence about them. nil: none.
---@return integer count, string? sentence
function Unlisted:told()
  local n = total(self.store) - self.before
  if n == 0 then return 0, nil end
  return n, ("%s left out, empty or over 65536 bytes long: weir has no such keys")
    :format(Quantity.things(n, "key"))
end


return Unlisted
