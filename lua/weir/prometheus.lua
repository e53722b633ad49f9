-- prometheus.lua: what a tree of stores has counted, in Prometheus' text format.
-- weir.prometheus(store) is all of it for one process; several that answer
-- together (the workers of nginx) collect each and join the samples.

local Counters = require "weir.observe.counters"
local Stats = require "weir.observe.stats"

local Prometheus = {}

-- name = { type, help }
local FAMILIES = {
  weir_keys_total = { "counter", "Keys by op and what became of them." },
  weir_batches_total = { "counter", "Operations, of any number of keys." },
  weir_bytes_total = { "counter", "Bytes of values read by get, written by set." },
  weir_seconds = { "histogram", "Duration of operations." },
  weir_stage_seconds = { "summary", "Time in a store's queue and in its service." },
  weir_inflight_items = { "gauge", "Keys queued and running." },
  weir_inflight_bytes = { "gauge", "Bytes queued and running." },
  weir_sessions = { "gauge", "Open connections of a store." },
  weir_reconnects_total = { "counter", "Connections opened after the first ones." },
  weir_connect_failures_total = { "counter", "Connections that could not be opened." },
  weir_refused_total = { "counter", "Operations refused because a queue was full." },
}

local ESCAPES = { ["\\"] = "\\\\", ["\""] = "\\\"", ["\n"] = "\\n" }


local function label(name, value)
  return ("%s=\"%s\""):format(name, tostring(value):gsub("[\\\"\n]", ESCAPES))
end


-- The labels that all samples of a node carry.
local function labels_of(node, labels)
  local list = { label("node", node) }
  for name, value in pairs(labels) do list[#list + 1] = label(name, value) end
  table.sort(list)
  return table.concat(list, ",")
end


local function add(samples, family, suffix, common, labels, value)
  local list = samples[family] or {}
  samples[family] = list
  list[#list + 1] = ("%s%s{%s%s} %.15g"):format(family, suffix, common,
    labels == "" and "" or "," .. labels, value)
end


local function histogram(samples, common, op, counts)
  local sum = 0
  for i = 0, Counters.BUCKETS do
    sum = sum + counts.buckets[i]
    local le = ("%.9g"):format(Counters.bound(i))
    add(samples, "weir_seconds", "_bucket", common, op .. "," .. label("le", le), sum)
  end
  add(samples, "weir_seconds", "_bucket", common, op .. "," .. label("le", "+Inf"), sum)
  add(samples, "weir_seconds", "_sum", common, op, counts.seconds)
  add(samples, "weir_seconds", "_count", common, op, counts.batches)
end


local QUANTILES = { p50 = "0.5", p90 = "0.9", p99 = "0.99", p999 = "0.999" }

local function stage(samples, common, op, name, latency)
  if not latency then return end
  local labels = op .. "," .. label("stage", name)
  for field, quantile in pairs(QUANTILES) do
    add(samples, "weir_stage_seconds", "", common,
      labels .. "," .. label("quantile", quantile), latency[field])
  end
  add(samples, "weir_stage_seconds", "_sum", common, labels,
    latency.mean * latency.count)
  add(samples, "weir_stage_seconds", "_count", common, labels, latency.count)
end


local function operations(samples, common, ops)
  for name, counts in pairs(ops) do
    local op = label("op", name)
    for status, n in pairs(counts.status) do
      add(samples, "weir_keys_total", "", common,
        op .. "," .. label("status", status), n)
    end
    add(samples, "weir_batches_total", "", common, op, counts.batches)
    add(samples, "weir_bytes_total", "", common, op,
      counts.bytes or counts.bytes_read + counts.bytes_written)
    if counts.buckets then histogram(samples, common, op, counts) end
    stage(samples, common, op, "queue", counts.queue)
    stage(samples, common, op, "service", counts.service)
  end
end


local function c_store(samples, common, facts)
  add(samples, "weir_inflight_items", "", common, "", facts.inflight.items)
  add(samples, "weir_inflight_bytes", "", common, "", facts.inflight.bytes)
  add(samples, "weir_sessions", "", common, "", facts.sessions)
  add(samples, "weir_reconnects_total", "", common, "", facts.reconnects)
  add(samples, "weir_connect_failures_total", "", common, "", facts.connect_failures)
  add(samples, "weir_refused_total", "", common, "", facts.refused)
  for name, value in pairs(facts.gauges) do
    add(samples, "weir_store_" .. name, "", common, "", value)
  end
end


-- What a word counts besides: plain numbers, or a table of numbers by kind.
local function own_counts(samples, common, facts)
  for name, value in pairs(facts) do
    local family = ("weir_%s_%s"):format(facts.word, name)
    if type(value) == "number" then
      add(samples, family, "", common, "", value)
    elseif type(value) == "table" and name ~= "ops" then
      for kind, n in pairs(value) do
        if type(n) == "number" then
          add(samples, family, "", common, label("kind", kind), n)
        end
      end
    end
  end
end


--- The samples of a tree: lists of lines by family, plain data. `labels`: further
--- ones that every sample gets.
---@param store weir.Store
---@param labels table<string, any>?
---@return table<string, string[]>
function Prometheus.collect(store, labels)
  local samples = {}
  for path, facts in pairs(Stats.run(store)) do
    local common = labels_of(path, labels or {})
    operations(samples, common, facts.ops)
    if facts.inflight then
      c_store(samples, common, facts)
    else
      own_counts(samples, common, facts)
    end
  end
  return samples
end


local function sorted_names(collections)
  local names, seen = {}, {}
  for _, samples in ipairs(collections) do
    for name in pairs(samples) do
      if not seen[name] then names[#names + 1] = name end
      seen[name] = true
    end
  end
  table.sort(names)
  return names
end


--- The text of what was collected, of one process or several.
---@param collections table<string, string[]>[]
---@return string
function Prometheus.text(collections)
  local lines = {}
  for _, name in ipairs(sorted_names(collections)) do
    local family = FAMILIES[name] or { "untyped" }
    if family[2] then lines[#lines + 1] = ("# HELP %s %s"):format(name, family[2]) end
    lines[#lines + 1] = ("# TYPE %s %s"):format(name, family[1])
    for _, samples in ipairs(collections) do
      for _, line in ipairs(samples[name] or {}) do lines[#lines + 1] = line end
    end
  end
  return table.concat(lines, "\n") .. "\n"
end


return Prometheus
