-- language/quotas.lua: finds quotas that promise more memory than the machine has. When
-- the tenants use what they were promised, the kernel ends the process, and all of them
-- lose everything. A rule of language/check.lua.

local Quantity = require "weir.core.quantity"

local Quotas = {}


-- The first number of a file, or nil.
local function number_in(path, pattern)
  local file = io.open(path)
  local text = file and file:read "*a" or ""
  if file then file:close() end
  return tonumber(text:match(pattern))
end


--- The memory that this process may use, in bytes: the machine's, or what its cgroup
--- allows. nil: not known.
---@return number?
function Quotas.memory()
  local kib = number_in("/proc/meminfo", "MemTotal:%s*(%d+)")
  local group = number_in("/sys/fs/cgroup/memory.max", "^(%d+)")
  if not kib or group and group < kib * 1024 then return group end
  return kib * 1024
end


-- The bytes that all tenants of a quota may use together.
local function promised(rules)
  local most, sum = rules.most + 2, 0
  for name, rule in pairs(rules.of) do
    sum = sum + rule.bytes
    if name == "(none)" or name == "(others)" then most = most - 1 end
  end
  return sum + most * rules.default.bytes
end


--- A sentence, or nil: the node is no quota, or there is room for it.
---@param node weir.Store
---@return string?
function Quotas.check(node)
  local memory = node.word == "quota" and Quotas.memory()
  local sum = memory and promised(node.rules)
  if not memory or sum <= memory then return nil end
  return ("promises %s: all quotas, and max_tenants = %d times the default of %s. This "
    .. "machine has %s"):format(Quantity.bytes(sum), node.rules.most,
    Quantity.bytes(node.rules.default.bytes), Quantity.bytes(memory))
end


return Quotas
