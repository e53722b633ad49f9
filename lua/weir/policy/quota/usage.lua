-- policy/quota/usage.lua: what each tenant of a quota uses, as tables by tenant. Only
-- the tenants with the most bytes are listed. All others are summed as "(rest)", so
-- that a hostile client cannot make more and more series in Prometheus.
--
-- The counters of the rest never go back, as those of Prometheus must not. What the
-- tree has answered since the last call counts for the rest, less what the listed
-- tenants answered. A tenant that is listed from now on brings its whole history.

local Held = require "weir.native.held"
local C = require("weir.ffi").C

local Usage = {}
Usage.__index = Usage

-- The memory of keys without a tenant, and the one that tenants over max_tenants share.
-- A tenant that is called so uses that memory.
Usage.NONE, Usage.OTHERS = "(none)", "(others)"

local REST = "(rest)"
local LONGEST = 64 -- bytes of a label
local COUNTERS = { "hits", "misses", "evictions" }
local COLUMNS = { "bytes", "entries", "limit", unpack(COUNTERS) }

local RESERVED = { [Usage.NONE] = true, [Usage.OTHERS] = true }


-- The characters of UTF-8 beyond ASCII, by their first byte.
local CHARACTERS = {
  "[\194-\223][\128-\191]", "\224[\160-\191][\128-\191]",
  "[\225-\236\238\239][\128-\191][\128-\191]", "\237[\128-\159][\128-\191]",
  "\240[\144-\191][\128-\191][\128-\191]",
  "[\241-\243][\128-\191][\128-\191][\128-\191]",
  "\244[\128-\143][\128-\191][\128-\191]",
}


-- Whether a string is UTF-8: Prometheus takes no other. Each character is replaced by
-- a space, so that what was apart stays apart.
local function is_utf8(text)
  for _, character in ipairs(CHARACTERS) do text = text:gsub(character, " ") end
  return not text:find "[\128-\255]"
end


local function percent(char)
  return ("%%%02X"):format(char:byte())
end


--- The label of a tenant: its name, with control characters, quotes and the like as
--- %XX. A long name is cut and ends in its hash.
---@param name string
---@return string
function Usage.label(name)
  if RESERVED[name] then return name end
  if name == "" then return "%" end
  local long = #name > LONGEST
  local text = long and name:sub(1, LONGEST - 17) or name
  text = text:gsub(is_utf8(text) and "[%c%%\"\\(]" or "[%c%%\"\\(\128-\255]", percent)
  if not long then return text end
  local hash = C.weir_hash(name, #name, 0)
  return ("%s~%s"):format(text, bit.tohex(hash, 16))
end


function Usage.new()
  local told = {}
  for _, name in ipairs(COUNTERS) do told[name] = 0 end
  return setmetatable({ shown = {}, totals = told, rest = {} }, Usage)
end


-- The tenants with the most bytes, by label, and the sums of all.
local function largest(tenants, listed)
  local list, sum = {}, { bytes = 0, entries = 0, evictions = 0, limit = 0 }
  for i, tenant in ipairs(tenants.list) do
    list[i] = tenant
    tenant.bytes, tenant.entries, tenant.evictions = Held.now(tenant.store)
    tenant.limit = tenant.rule.bytes
    for name, value in pairs(sum) do sum[name] = value + tenant[name] end
  end
  table.sort(list, function(a, b)
    if a.bytes ~= b.bytes then return a.bytes > b.bytes end
    return a.name < b.name
  end)
  local shown, n = {}, 0
  for _, tenant in ipairs(list) do
    if n == listed then break end
    local label = Usage.label(tenant.name)
    if not shown[label] then shown[label], n = tenant, n + 1 end
  end
  return shown, sum
end


-- How much a tenant counted since the last call; one that was not listed then: 0.
local function growth(tenant, name)
  local before = tenant.told and tenant.told[name]
  return before and math.max(tenant[name] - before, 0) or 0
end


-- Counts for the rest what the listed tenants did not answer.
local function count_rest(self, shown, totals)
  local counted = {}
  for _, list in ipairs { shown, self.shown } do
    for _, tenant in pairs(list) do counted[tenant] = true end
  end
  for tenant in pairs(counted) do
    tenant.hits, tenant.misses = Held.answers(tenant.store)
  end
  for _, name in ipairs(COUNTERS) do
    local grown = math.max(totals[name] - self.totals[name], 0)
    for tenant in pairs(counted) do grown = grown - growth(tenant, name) end
    self.rest[name] = (self.rest[name] or 0) + math.max(grown, 0)
  end
  for _, tenant in pairs(self.shown) do tenant.told = nil end
  for _, tenant in pairs(shown) do
    tenant.told = {}
    for _, name in ipairs(COUNTERS) do tenant.told[name] = tenant[name] end
  end
  self.shown, self.totals = shown, totals
end


--- The tables by label: bytes, entries, limit, hits, misses, evictions. listed: how
--- many tenants are listed. gets: the counters of all gets, or nil.
function Usage:tally(tenants, listed, gets)
  local shown, sum = largest(tenants, listed)
  count_rest(self, shown, { hits = gets and gets.ok or 0,
    misses = gets and gets.other.miss or 0, evictions = sum.evictions })
  local out = {}
  for _, name in ipairs(COLUMNS) do
    local by, rest = {}, sum[name] or 0
    for label, tenant in pairs(shown) do
      by[label], rest = tenant[name], rest - tenant[name]
    end
    if #tenants.list > listed then by[REST] = self.rest[name] or rest end
    out[name] = by
  end
  return out
end


return Usage
