-- replay/models/rules.lua: what a model knows of its backend besides the options of the
-- store, as defaults that say where they come from and as a user gives them:
--
--     --model 'redis: latency=300us bandwidth=1GB/s workers=4 errors=0.01'

local Ffi = require "weir.ffi"
local Quantity = require "weir.core.quantity"

local Rules = {}

-- latency in seconds, bandwidth in bytes a second, capacity in bytes (0 = the store's
-- own option, or none), overhead in bytes an entry, errors as a share of the batches.
local DEFAULTS = {
  memory = { latency = 0, bandwidth = 10e9, pipelined = true,
    from = "answered in place, in no time unless --model gives it one" },
  fs = { latency = 100e-6, bandwidth = 2e9, block = 4096, eviction = "sieve",
    from = "a random read of a PCIe 3 NVMe disk" },
  redis = { latency = 300e-6, bandwidth = 1.1e9, overhead = 64, eviction = "lru",
    pipelined = true,
    from = "a round trip in one data center, 10 Gbit/s; exact LRU at its capacity" },
}
local OTHER = { latency = 1e-3, bandwidth = 1e9, overhead = 0, eviction = "lru",
  from = "nothing: give it with --model" }

local function share(text)
  local x = tonumber(text)
  return x and x >= 0 and x <= 1 and x or nil
end

local function count(text)
  local x = tonumber(text)
  return x and x >= 1 and x % 1 == 0 and x or nil
end

local function rate(text)
  return Quantity.size((text:gsub("/s$", "")))
end

local FIELDS = {
  latency = { "a time such as 300us", Quantity.seconds, Quantity.seconds },
  bandwidth = { "bytes a second such as 1GB/s", rate, Quantity.size },
  workers = { "a whole number over 0", count },
  errors = { "a share from 0 to 1", share },
  capacity = { "a size such as 10GiB", Quantity.size, Quantity.size },
}
local NAMES = { "latency", "bandwidth", "workers", "errors", "capacity" }


local function read_field(text)
  local name, value = text:match "^(%w+)=(.+)$"
  if not name then return nil, ("'%s' is not name=value"):format(text) end
  local field = FIELDS[name]
  if not field then
    return nil, ("a model has no %q%s"):format(name, Ffi.suggest(name, NAMES))
  end
  local x = field[2](value)
  if not x then
    return nil, ("%s is %s, not '%s'%s"):format(name, field[1], value,
      field[3] and Quantity.excess(value, field[3]) or "")
  end
  return name, x
end


--- Reads one --model. Returns the store's name and its fields, or nil and why.
---@param text string
---@return string?, table|string
function Rules.read(text)
  local store, rest = text:match "^%s*([%w_#+.-]+):%s*(.*)$"
  if not store then
    return nil, ("'%s' is not 'STORE: latency=300us ...'"):format(text)
  end
  local fields = {}
  for word in rest:gmatch "%S+" do
    local name, value = read_field(word)
    if not name then return nil, value end
    fields[name] = value
  end
  return store, fields
end


--- The rules of one store: those of its connector, with what the user gave for the
--- connector, or for the label (redis#2), on top. workers: of the store.
function Rules.of(given, connector, label, workers)
  local rules = { workers = workers > 0 and workers or 1, errors = 0, capacity = 0,
    overhead = 0, block = 1 }
  for name, value in pairs(DEFAULTS[connector] or OTHER) do rules[name] = value end
  for _, key in ipairs { connector, label } do
    for name, value in pairs(given[key] or {}) do rules[name] = value end
  end
  return rules
end


return Rules
