-- percent { 5, new, old }: a share of the keys goes to each store, the rest to the last
-- one. The hash of a key decides, so a key always goes to the same store, and when a
-- share at the front grows, the keys that had it keep their store. As PercentRoute and
-- the canary rules of others. A batch is split, as that of a route.
--
-- A key that changes its store is written in one place and read in another. Its old
-- value remains where it was: give values a time to live, or move them by warmup.

local Arguments = require "weir.policy.shared.arguments"
local Chain = require "weir.policy.shared.scan_chain"
local Chance = require "weir.policy.shared.chance"
local Node = require "weir.policy.shared.node"
local Split = require "weir.policy.shared.split"

local Percent = Node.word "percent"
Percent.REUSES = true

Percent.HELP = "A share of the keys goes to each store and the rest to the last one, "
  .. "by the hash of the key."
Percent.EXAMPLE = "percent { 5, new, old }"
Percent.OPTIONS = {
  { "seed", is = "whole", default = 1,
    help = "two percents over each other need two seeds to choose other keys" },
}


-- Reads { share, store, share, store, ..., store }. Returns the stores, and for each
-- the sum of the shares up to it, from 0 to 1.
local function read(given)
  local stores, bounds, sum = {}, {}, 0
  for i = 1, #given - 1, 2 do
    local share = given[i]
    if type(share) ~= "number" or not (share >= 0 and share <= 100) then
      error(("percent: item %d is a share from 0 to 100, not %s"):format(i,
        Arguments.show(share)), 0)
    end
    sum = sum + share
    if sum > 100 then
      error(("percent: the shares are more than 100: %g"):format(sum), 0)
    end
    stores[#stores + 1] = Arguments.store("percent", "item " .. i + 1, given[i + 1])
    bounds[#bounds + 1] = sum / 100
  end
  if #given % 2 == 0 or #stores == 0 then
    error("percent: takes { share, store, ..., store for the rest }", 0)
  end
  stores[#stores + 1] = Arguments.store("percent", "item " .. #given, given[#given])
  bounds[#bounds + 1] = 1
  return stores, bounds
end


local function pick(self, key)
  local x, bounds = Chance.of(key, self.seed), self.bounds
  for at = 1, #bounds do
    if x < bounds[at] then return at end
  end
  return #bounds
end


function Percent.new(given)
  if type(given) ~= "table" or type(given.run) == "function" then
    error("percent: takes a table { share, store, ..., store for the rest }, not "
      .. Arguments.show(given), 0)
  end
  local named = {}
  for name, value in pairs(given) do
    if type(name) ~= "number" then named[name] = value end
  end
  local options = Arguments.read("percent", Percent.OPTIONS, named)
  local stores, bounds = read(given)
  return Percent:node { children = stores, stores = stores, bounds = bounds,
    seed = options.seed }
end


-- A store lists only the keys that are its own now, since a get finds no others.
local function parts(self)
  local list = {}
  for at, store in ipairs(self.stores) do
    list[at] = { store = store, keep = function(keys)
      local keep = {}
      for i, key in ipairs(keys) do keep[i] = pick(self, key) == at end
      return keep
    end }
  end
  return list
end


function Percent:answer(req)
  if req.op == "scan" then return Chain.scan(req, parts(self)) end
  return Split.run(self, req, pick)
end


function Percent:plan(op, key)
  if op == "scan" then return "one after the other", self.children end
  local at = pick(self, key)
  local from = at > 1 and self.bounds[at - 1] or 0
  return ("the key is at %.2f %%, in the share from %g to %g"):format(
    100 * Chance.of(key, self.seed), 100 * from, 100 * self.bounds[at]),
    { self.stores[at] }
end


return Percent
