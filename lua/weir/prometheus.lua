-- prometheus.lua: the stats of a tree in Prometheus' text format, made from the rows of
-- observe/schema.lua. weir.prometheus(store) returns the text of one process. Several
-- processes that answer together (the workers of nginx) collect each, and join the
-- samples.

local Counters = require "weir.observe.counters"
local Schema = require "weir.observe.schema"
local Stats = require "weir.observe.stats"
local C = require("weir.ffi").C

local Prometheus = {}

-- The bounds of buckets: powers of two from 1 us to 17 s, in nanoseconds. They are also
-- bounds of the finer buckets that C counts.
local FIRST, LAST = 10, 34

local ESCAPES = { ["\\"] = "\\\\", ["\""] = "\\\"", ["\n"] = "\\n" }


local function label(name, value)
  return ("%s=\"%s\""):format(name, tostring(value):gsub("[\\\"\n]", ESCAPES))
end


-- The labels that all samples of a node carry.
local function labels_of(path, labels)
  local list = { label("node", path) }
  for name, value in pairs(labels) do list[#list + 1] = label(name, value) end
  table.sort(list)
  return table.concat(list, ",")
end


-- The family of a row, which collects its samples, and the family's name.
local function family_of(families, row, owner)
  local name = Schema.metric(row, owner)
  local family = families[name]
  if not family then
    local kind = row.is == "state" and "gauge" or row.is
    family = { kind = kind, help = row.help }
    families[name] = family
  end
  return family, name
end


local function add(family, name, labels, value)
  family[#family + 1] = ("%s{%s} %.15g"):format(name, labels, value)
end


local function add_histogram(family, name, labels, buckets, latency)
  local sum, at = 0, 0
  for power = FIRST, LAST do
    local bound = C.weir_histogram_bucket(2 ^ power)
    while at < bound do
      sum, at = sum + tonumber(buckets[at]), at + 1
    end
    local le = label("le", ("%.9g"):format(2 ^ power * 1e-9))
    add(family, name .. "_bucket", labels .. "," .. le, sum)
  end
  add(family, name .. "_bucket", labels .. "," .. label("le", "+Inf"), latency.count)
  add(family, name .. "_sum", labels, latency.mean * latency.count)
  add(family, name .. "_count", labels, latency.count)
end


local function add_state(family, name, labels, row, value)
  for _, state in ipairs(row.states) do
    add(family, name, labels .. "," .. label("state", state), state == value and 1 or 0)
  end
end


-- One number, or one for each value of the row's label.
local function add_numbers(family, name, labels, row, value)
  if not row.by then return add(family, name, labels, value) end
  for key, n in pairs(value) do
    add(family, name, labels .. "," .. label(row.by, key), n)
  end
end


-- The kinds of rows that have one sample for each number.
local PLAIN = { counter = true, gauge = true, state = true }

local function add_row(families, row, owner, labels, facts)
  local value = Schema.value(row, facts)
  if value == nil or not PLAIN[row.is] then return end
  local family, name = family_of(families, row, owner)
  local write = row.is == "state" and add_state or add_numbers
  write(family, name, labels, row, value)
end


local function histogram_of(store, op, which)
  if store.counters then return Counters.histogram(store.counters, op, which) end
  return store:histogram(op, which)
end


local function add_op(families, place, op, labels)
  local facts = place.facts.ops[op]
  labels = labels .. "," .. label("op", op)
  for _, row in ipairs(Schema.OPS) do
    if row.is == "histogram" and facts[row[1]] then
      local family, name = family_of(families, row)
      add_histogram(family, name, labels, histogram_of(place.store, op, row[1]),
        facts[row[1]])
    else
      add_row(families, row, nil, labels, facts)
    end
  end
end


--- The samples of a tree by family, as plain data: { kind, help, line, ... } each.
--- `labels`: further ones that every sample gets.
---@param store weir.Store
---@param labels table<string, any>?
---@return table<string, table>
function Prometheus.collect(store, labels)
  local families = {}
  for _, place in ipairs(Stats.list(store)) do
    local common = labels_of(place.path, labels or {})
    for op in pairs(place.facts.ops) do add_op(families, place, op, common) end
    for _, row in ipairs(Schema.of(place.store, place.facts)) do
      add_row(families, row, Schema.owner(place.store), common, place.facts)
    end
  end
  return families
end


-- All families of several collections, sorted by name: { name, family, ... } each.
local function joined(collections)
  local list, known = {}, {}
  for _, families in ipairs(collections) do
    for name, family in pairs(families) do
      if not known[name] then
        known[name] = { name = name }
        list[#list + 1] = known[name]
      end
      table.insert(known[name], family)
    end
  end
  table.sort(list, function(a, b) return a.name < b.name end)
  return list
end


--- The text of the samples of one process or several.
---@param collections table<string, table>[]
---@return string
function Prometheus.text(collections)
  local lines = {}
  for _, entry in ipairs(joined(collections)) do
    lines[#lines + 1] = ("# HELP %s %s"):format(entry.name, entry[1].help)
    lines[#lines + 1] = ("# TYPE %s %s"):format(entry.name, entry[1].kind)
    for _, family in ipairs(entry) do
      for _, line in ipairs(family) do lines[#lines + 1] = line end
    end
  end
  return table.concat(lines, "\n") .. "\n"
end


return Prometheus
