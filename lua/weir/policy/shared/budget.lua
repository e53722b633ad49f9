-- policy/shared/budget.lua: bounds the further attempts to a share of the recent
-- requests, plus a floor to begin with (Finagle's RetryBudget). It counts keys. A store
-- has one budget for all retries over it, so during an outage it gets at most keys x (1
-- + share) + floor attempts. Used by retry and failover.

local Node = require "weir.policy.shared.node"

local Budget = {}
Budget.__index = Budget

Budget.FLOOR = 10
-- Credit over this is not kept, so that calls of long ago buy no retries now.
local MOST = 100

local of = setmetatable({}, { __mode = "k" })


--- A budget.
function Budget.new()
  return setmetatable({ tokens = Budget.FLOOR }, Budget)
end


--- The budget of the store below a node.
function Budget.of(store)
  local key = Node.bottom(store)
  local budget = of[key]
  if not budget then
    budget = Budget.new()
    of[key] = budget
  end
  return budget
end


--- Adds the credit of a request for n keys.
function Budget:earn(n, share)
  local tokens = self.tokens + n * share
  self.tokens = tokens < MOST and tokens or MOST
end


--- How many of n keys may be tried again.
function Budget:afford(n)
  local whole = math.floor(self.tokens + 1e-9)
  return whole < n and whole or n
end


function Budget:spend(n)
  self.tokens = self.tokens - n
end


return Budget
