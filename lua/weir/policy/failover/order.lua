-- policy/failover/order.lua: in which order a failover, whose node is `self`, tries its
-- children. Used by failover.
--
-- With order = "hash" the order depends on the key. The hash picks the first child, and
-- where the others begin, so the keys of a child that is down spread over all others.

local Parallel = require "weir.policy.shared.parallel"
local Reply = require "weir.core.reply"
local C = require("weir.ffi").C

local Order = {}


-- The children behind the first one, beginning at the place `turn`, from 0.
local function rotated(first, turn, n)
  local order = { first }
  for i = 0, n - 2 do
    local other = (turn + i) % (n - 1) + 1
    order[i + 2] = other < first and other or other + 1
  end
  return order
end


--- The orders that keys of `n` children may have with order = "hash".
function Order.by_hash(n)
  local orders = {}
  for first = 1, n do
    for turn = 0, n - 2 do orders[#orders + 1] = rotated(first, turn, n) end
  end
  return orders
end


local function by_failures(self)
  local order = {}
  for i = 1, #self.children do order[i] = i end
  table.sort(order, function(a, b)
    local left, right = self.failures[a], self.failures[b]
    if left ~= right then return left < right end
    return a < b
  end)
  return order
end


--- The order for a key, as a list of children.
function Order.of(self, key)
  if self.order == "listed" then return self.listed end
  if self.order == "least_failures" then return by_failures(self) end
  local hash = tonumber(C.weir_hash(key, #key, 0) % #self.orders)
  return self.orders[hash + 1]
end


-- The slots of a request by their order: { order =, slots... }.
local function groups_of(self, req)
  local groups, of = {}, {}
  for i = 1, req.n do
    local order = Order.of(self, req.keys[i])
    local group = of[order]
    if not group then
      group = { order = order }
      of[order] = group
      groups[#groups + 1] = group
    end
    group[#group + 1] = i
  end
  return groups
end


--- Runs fn(self, req, order) for the keys of each order, all at once.
function Order.run(self, req, fn)
  if req.n == 0 then return fn(self, req, self.listed) end
  if self.order ~= "hash" then return fn(self, req, Order.of(self)) end
  local groups = groups_of(self, req)
  if #groups == 1 then return fn(self, req, groups[1].order) end
  local parts, requests = {}, {}
  for k, group in ipairs(groups) do
    parts[k] = { immediate = self.immediate,
      run = function(_, sub) return fn(self, sub, group.order) end }
    requests[k] = req:subset(group)
  end
  local replies, reply = Parallel.run(parts, requests, #groups), Reply.new(req)
  for k, group in ipairs(groups) do reply:place(replies[k], group) end
  return reply
end


return Order
