-- quota { by = "^([^:]+):", default = "8MiB", acme = "256MiB" }: a memory for each
-- tenant, with the tenant's quota as its capacity. A tenant over its quota evicts only
-- its own values, and one under it loses nothing to others.
--
-- A key's tenant is what `by` finds in it: a Lua pattern, or a function. A memory is
-- opened at the first write of its tenant (quota/tenants.lua) and stays open. Keys
-- without a tenant are in the memory "(none)". When max_tenants have a memory, further
-- ones share the memory "(others)", and their writes are counted.
--
-- A quota is a size, or a table of memory's options. These win over those of default.

local Closing = require "weir.core.closing"
local Node = require "weir.policy.shared.node"
local Op = require "weir.core.op"
local Own = require "weir.policy.shared.own_memory"
local Quantity = require "weir.core.quantity"
local Reply = require "weir.core.reply"
local Rules = require "weir.policy.quota.rules"
local same_function = require "weir.policy.shared.same_function"
local scan = require "weir.policy.quota.scan"
local Split = require "weir.policy.shared.split"
local Tenants = require "weir.policy.quota.tenants"
local Usage = require "weir.policy.quota.usage"

local Quota = Node.word "quota"
Quota.REUSES = true

Quota.HELP = "A memory for each tenant, with a quota: a tenant over it evicts only its "
  .. "own values."
Quota.EXAMPLE = 'quota { by = "^([^:]+):", default = "8MiB", acme = "256MiB" }'
Quota.OPTIONS = Rules.OPTIONS


function Quota.new(given)
  local options, rules = Rules.read(given)
  local tenants = Tenants.new(rules, Own.opener())
  local waits = not tenants.none.store.immediate
  local node = Quota:node { part = options.by, listed = options.listed, rules = rules,
    tenants = tenants, immediate = not waits, bounded = true,
    kept = {}, keep_items = 0 }
  node.reuses, tenants.owner = not waits, node
  return node
end


-- ---- where a key is ----

-- The tenant whose memory a read of a key asks; nil and why: `by` failed.
local function to_read(self, key)
  local name, why = self.part:of_key(key)
  if name then return self.tenants:to_read(name) end
  if name == nil then return self.tenants.none end
  return nil, why
end


-- The tenant whose memory a set of a key goes to; nil and why there is none.
local function to_write(self, key)
  local name, why = self.part:of_key(key)
  if name then return self.tenants:to_write(name) end
  if name == nil then return self.tenants.none end
  return nil, why
end


-- ---- requests ----
-- Split asks a list of stores. It gets a round: the stores of the tenants that have
-- keys in the request.

local function fail(round, key, why)
  round.failed = round.failed or {}
  round.failed[key] = why
  return 0
end


-- Lets a memory keep what it evicts, for read_evicted.
local function keep(self, store)
  if store:keep_evicted(self.keep_items, self.keep_bytes) then
    self.kept[#self.kept + 1] = store
  end
end


-- Notes that a tenant has a key in the request. Returns its place among the stores.
local function join(round, tenant)
  if tenant.round ~= round.id then
    local n = round.n + 1
    round.n, round.stores[n] = n, tenant.store
    tenant.round, tenant.at = round.id, n
    if round.keeps then keep(round.quota, tenant.store) end
  end
  return tenant.at
end


local function pick_to_read(round, key)
  local tenant, why = to_read(round.quota, key)
  return tenant and join(round, tenant) or fail(round, key, why)
end


local function pick_to_write(round, key)
  local tenant, why = to_write(round.quota, key)
  return tenant and join(round, tenant) or fail(round, key, why)
end


-- Whether an op may store a value under a key that has none. One memory has the key, so
-- atomic ops are atomic.
local function stores(op)
  return Op.sends[op] or Op.numbers[op]
end


local function failure(self, why)
  return { message = "quota: " .. why, store = self.name }
end


local function run_many(self, req, writes)
  local tenants = self.tenants
  tenants.rounds = tenants.rounds + 1
  local round = { quota = self, name = self.name, id = tenants.rounds, n = 0,
    stores = {}, keeps = self.keep_items > 0 and Op.writes[req.op] }
  local reply = Split.run(round, req, writes and pick_to_write or pick_to_read)
  for i = 1, round.failed and req.n or 0 do
    local why = round.failed[req.keys[i]]
    if why then reply:set(i, "failed", failure(self, why)) end
  end
  return reply
end


function Quota:answer(req)
  local op = req.op
  if op == "scan" then return scan(self, req) end
  local writes = stores(op)
  if req.n ~= 1 then return run_many(self, req, writes) end
  local tenant, why
  if writes then
    tenant, why = to_write(self, req.keys[1])
  else
    tenant, why = to_read(self, req.keys[1])
  end
  if not tenant then
    return Reply.uniform(req, "failed", failure(self, why).message, self.name)
  end
  if self.keep_items > 0 and Op.writes[op] then keep(self, tenant.store) end
  return tenant.store:run(req)
end


-- ---- evicted values, for the option demote of tier ----

--- As of a store of C (native/evicted.lua). The memories that are written from now on
--- keep what they evict, until the next call.
function Quota:keep_evicted(items, bytes)
  for i = #self.kept, 1, -1 do
    self.kept[i]:keep_evicted(0, 0)
    self.kept[i] = nil
  end
  self.keep_items, self.keep_bytes = items, bytes
  return true
end


function Quota:read_evicted(fn)
  for _, store in ipairs(self.kept) do store:read_evicted(fn) end
end


-- ---- reload and close ----

--- Takes the memories over from the node that stood here before, unless the keys may
--- belong to other tenants now.
function Quota:remember(old)
  local mine, theirs = self.tenants, old.tenants
  if not same_function(self.part.by, old.part.by) then return end
  if mine ~= theirs then
    Closing.all(mine:close())
    self.tenants = theirs
  end
  theirs.owner = self
  Closing.all(theirs:follow(self.rules))
end


--- The stores to close with the node: none, if a later version of it has them.
function Quota:own_stores()
  if self.tenants.owner ~= self then return {} end
  return self.tenants:close()
end


-- ---- looking at it ----

-- What tally returns.
Quota.STATS = {
  { "tenants", is = "gauge", help = "tenants that have a memory" },
  { "over_max_tenants", is = "counter",
    help = "keys written to the memory \"(others)\", because max_tenants was reached" },
  { "unopened", is = "counter", help = "keys not written: no memory could be opened" },
  { "bytes", is = "gauge", unit = "bytes", by = "tenant",
    help = "bytes in use, of the largest tenants and of the rest" },
  { "entries", is = "gauge", by = "tenant", help = "values held" },
  { "limit", is = "gauge", unit = "bytes", by = "tenant", help = "the quota" },
  { "hits", is = "counter", by = "tenant", help = "keys found" },
  { "misses", is = "counter", by = "tenant", help = "keys not found" },
  { "evictions", is = "counter", by = "tenant", help = "values dropped for room" },
}

function Quota:tally()
  local tenants = self.tenants
  local tally = tenants.usage:tally(tenants, self.listed, self.counters.get)
  tally.tenants = #tenants.list - 1 - (tenants.others and 1 or 0)
  tally.over_max_tenants, tally.unopened = tenants.over, tenants.failed
  return tally
end


local function describe(tenant)
  return ("%s, %s"):format(Usage.label(tenant.name), Quantity.bytes(tenant.rule.bytes))
end


function Quota:plan(op, key)
  if op == "scan" then return "one tenant after the other", {} end
  local name, why = self.part:of_key(key)
  if name == false then return why, {} end
  local tenants = self.tenants
  local tenant = name == nil and tenants.none or tenants:to_read(name)
  if name == nil then return "no tenant: " .. describe(tenant), { tenant.store } end
  if tenant ~= tenants.none then
    return "the memory of " .. describe(tenant), { tenant.store }
  end
  local label = Usage.label(name)
  if stores(op) then return "opens a memory for " .. label, {} end
  return label .. " has written nothing: a miss", {}
end


return Quota
