-- language/old_copies.lua: what an undo deletes. A version of a tree that does not
-- serve misses the writes of the one that does: its upper stores may hold old values.

local Emptying = require "weir.policy.shared.emptying"
local host = require "weir.host"
local Node = require "weir.policy.shared.node"
local Paths = require "weir.observe.paths"

local OldCopies = {}


local function is_busy(version)
  local busy = version.in_flight > 0
  Paths.each(version.root, function(node)
    busy = busy or node.promotion ~= nil and node.promotion.running
  end)
  return busy
end


-- Makes operations under way on a version make no copies of what they have read. Waits
-- for those copies that are being made, if they end.
local function drop_copies_under_way(version, nodes, seconds)
  for _, node in ipairs(nodes) do node.generations:bump_all() end
  local by = host.now() + seconds
  while is_busy(version) and host.can_park() and host.now() < by do
    host.sleep(0.001)
  end
end


--- Deletes all copies in the upper stores of the version `before` that the version
--- `undone` does not use, and makes operations that are under way make none. Waits for
--- those at most so many seconds.
---@param before table
---@param undone table
---@param seconds number
---@return weir.Error? err a store failed, and copies may be left
function OldCopies.drop(before, undone, seconds)
  local kept, nodes, stores = {}, {}, {}
  Paths.each(undone.root, function(node) kept[node] = true end)
  Paths.each(before.root, function(node)
    for _, store in ipairs(node.copies and node:copies() or {}) do
      if not kept[Node.bottom(store)] then
        stores[#stores + 1], nodes[#nodes + 1] = store, node
      end
    end
  end)
  if #stores == 0 then return nil end
  drop_copies_under_way(before, nodes, seconds)
  for _, store in ipairs(stores) do
    local emptied, err = Emptying.run(store)
    if not emptied then return err end
  end
  for _, node in ipairs(nodes) do node.generations:bump_all() end
end


return OldCopies
