-- policy/quota/tenants.lua: the memory of each tenant of a quota, made at the tenant's
-- first write. Two versions of a policy file share one of these, so the values survive
-- a reload and an undo. A memory is never closed before the end: a tenant that came
-- back to the shared one could find old values there.

local Usage = require "weir.policy.quota.usage"

local Tenants = {}
Tenants.__index = Tenants

local NONE, OTHERS = Usage.NONE, Usage.OTHERS


-- Opens the memory of a tenant. nil and why not.
local function add(self, name)
  local rule = self.rules.of[name] or self.rules.default
  local ok, store = pcall(self.open, rule.memory)
  if not ok then
    self.failed = self.failed + 1
    return nil, tostring(store)
  end
  local tenant = { name = name, store = store, rule = rule }
  self.by_name[name], self.list[#self.list + 1] = tenant, tenant
  return tenant
end


--- rules: what quota/rules.lua returns. open(options) opens a memory. Raises why the
--- memory of keys without a tenant does not open.
function Tenants.new(rules, open)
  local self = setmetatable({ rules = rules, open = open, by_name = {}, list = {},
    count = 0, over = 0, failed = 0, rounds = 0, usage = Usage.new() }, Tenants)
  local none, why = add(self, NONE)
  if not none then error(why, 0) end
  self.none = none
  return self
end


--- The tenant whose memory a write of `name` goes to; nil and why there is none.
function Tenants:to_write(name)
  local tenant = self.by_name[name]
  if tenant then return tenant end
  if self.closed then return self.none end
  local why
  if self.rules.of[name] then return add(self, name) end
  if self.count >= self.rules.most and name ~= OTHERS then
    self.over = self.over + 1
    if self.others then return self.others end
    name = OTHERS
  end
  tenant, why = add(self, name)
  if not tenant then return nil, why end
  if name == OTHERS then
    self.others = tenant
  else
    self.count = self.count + 1
  end
  return tenant
end


--- The tenant whose memory a read of `name` goes to. The memory of keys without a
--- tenant has nothing of a tenant that never wrote.
function Tenants:to_read(name)
  return self.by_name[name] or self.others or self.none
end


local function same(a, b)
  for name, value in pairs(a) do
    if b[name] ~= value then return false end
  end
  for name in pairs(b) do
    if a[name] == nil then return false end
  end
  return true
end


--- Goes on under other rules. A tenant whose options change starts with an empty
--- memory. Returns the stores that this replaces.
function Tenants:follow(rules)
  self.rules, self.count = rules, 0
  local replaced = {}
  for _, tenant in ipairs(self.list) do
    local rule = rules.of[tenant.name] or rules.default
    local shared = tenant == self.none or tenant == self.others
    if not shared and not rules.of[tenant.name] then self.count = self.count + 1 end
    local ok, store = same(rule.memory, tenant.rule.memory), nil
    if not ok then ok, store = pcall(self.open, rule.memory) end
    if ok and store then
      replaced[#replaced + 1] = tenant.store
      tenant.store, tenant.rule = store, rule
    end
  end
  return replaced
end


--- All memories. No further ones are opened.
function Tenants:close()
  self.closed = true
  local stores = {}
  for i, tenant in ipairs(self.list) do stores[i] = tenant.store end
  return stores
end


return Tenants
