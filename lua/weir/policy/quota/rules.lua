-- policy/quota/rules.lua: reads the arguments of quota. Names that are no options are
-- tenants.

local Arguments = require "weir.policy.shared.arguments"
local Ffi = require "weir.ffi"
local Own = require "weir.policy.shared.own_memory"
local Part = require "weir.policy.quota.part"
local Usage = require "weir.policy.quota.usage"

local Rules = {}

-- A memory takes two mappings, and a process may have about 65,000 of them.
local MOST = 10000


local function most_of(x, what)
  if type(x) == "number" and x >= 1 and x <= MOST and x % 1 == 0 then return x end
  error(("%s is a whole number from 1 to %d, not %s"):format(what, MOST,
    Arguments.show(x)), 0)
end


local function quota_of(x)
  return x
end


Rules.OPTIONS = {
  { "by", is = Part.of, type = "string|fun(key: string): string?",
    takes = "string or function",
    required = "by = a pattern that finds the tenant in a key, or a function",
    help = "which tenant a key belongs to: a Lua pattern, or a function" },
  { "default", is = quota_of, type = "integer|string|table", takes = "size or table",
    required = "default = the quota of a tenant, such as \"1GiB\"",
    help = "the quota of each tenant: a size, or a table of memory's options" },
  { "tenants", is = "list", type = "table<string, integer|string|table>",
    takes = "table", default = {},
    help = "other quotas by tenant, for names that are options of quota, too" },
  { "max_tenants", is = most_of, type = "integer", default = 100,
    help = "memories for tenants that are not named; further ones share one" },
  { "listed", is = "count", default = 20,
    help = "tenants that the statistics list, the largest ones; others are summed" },
}

local IS_OPTION = {}
for _, row in ipairs(Rules.OPTIONS) do IS_OPTION[row[1]] = true end


local function names()
  local list = {}
  for name in pairs(IS_OPTION) do list[#list + 1] = name end
  return list
end


-- The arguments that are options, and those that are tenants.
local function divide(given)
  if type(given) ~= "table" or type(given.run) == "function" then
    error("quota: takes a table { by =, default = }, not " .. Arguments.show(given), 0)
  end
  local options, quotas = {}, {}
  for name, value in pairs(given) do
    if IS_OPTION[name] then options[name] = value else quotas[name] = value end
  end
  return options, quotas
end


-- The rule of a quota: the options of its memory, and its bytes.
local function rule_of(quota, base, what)
  local memory = {}
  for name, value in pairs(base) do memory[name] = value end
  if type(quota) ~= "table" then quota = { capacity = quota } end
  for name, value in pairs(quota) do memory[name] = value end
  if memory.capacity == nil then error(what .. " needs a capacity", 0) end
  memory.capacity = Own.bytes(memory.capacity, what)
  Own.check(memory, what)
  return { memory = memory, bytes = memory.capacity }
end


local function add(of, quotas, base)
  for name, quota in pairs(quotas) do
    if type(name) ~= "string" then
      error(("quota: a tenant is a name, not %s"):format(Arguments.show(name)), 0)
    end
    local what = ("quota: the quota of %q"):format(name)
    local ok, rule = pcall(rule_of, quota, base, what)
    if not ok then error(rule .. Ffi.suggest(name, names()), 0) end
    of[name] = rule
  end
end


--- Reads the arguments. Returns the options, and the rules: default and of (by tenant),
--- { memory = options, bytes = } each, and most, how many further tenants may have a
--- memory.
function Rules.read(given)
  local options, quotas = divide(given)
  options = Arguments.read("quota", Rules.OPTIONS, options)
  local rules = { of = {}, most = options.max_tenants,
    default = rule_of(options.default, {}, "quota: default") }
  add(rules.of, quotas, rules.default.memory)
  add(rules.of, options.tenants, rules.default.memory)
  local n = 0
  for name in pairs(rules.of) do
    if name ~= Usage.NONE and name ~= Usage.OTHERS then n = n + 1 end
  end
  if n + rules.most > MOST then
    error(("quota: %d tenants and max_tenants = %d are more than %d"):format(n,
      rules.most, MOST), 0)
  end
  return options, rules
end


return Rules
