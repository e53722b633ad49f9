-- native/store_stats.lua: the statistics of a C store as a table. Used by native.lua.

local ffi = require "ffi"
local Counters = require "weir.observe.counters"
local Op = require "weir.core.op"
local status = require "weir.core.status"
local Schema = require "weir.observe.schema"
local C = require("weir.ffi").C

local store_stats = ffi.new "struct weir_store_stats"
local op_stats = ffi.new "struct weir_op_stats"
local gauge_array = ffi.typeof "struct weir_gauge[?]"

local Stats = {}


-- The counts of an op, or nil when no request had it.
local function op_table(handle, op)
  C.weir_store_op_stats(handle, op, op_stats)
  if op_stats.batches == 0 then return nil end
  local counts = {}
  for number, name in pairs(status.names) do
    local count = tonumber(op_stats.status[number])
    if count > 0 then counts[name] = count end
  end
  return {
    batches = tonumber(op_stats.batches),
    keys = tonumber(op_stats.items),
    status = counts,
    bytes = tonumber(op_stats.bytes_read + op_stats.bytes_written),
    queue = Counters.latency(op_stats.queue),
    service = Counters.latency(op_stats.service),
  }
end


-- Calls fn(gauge) for each number of the connector's own.
local function each_gauge(handle, fn)
  local n = tonumber(C.weir_store_gauges(handle, nil, 0))
  local list = gauge_array(math.max(n, 1))
  n = math.min(n, tonumber(C.weir_store_gauges(handle, list, n)))
  for i = 0, n - 1 do fn(list[i]) end
end


-- Bytes, where the name says so: a gauge of C has no unit.
local function unit_of(name)
  return (name == "capacity" or name:find("bytes", 1, true)) and "bytes" or nil
end


--- The rows of a store's numbers, as schema.lua declares them.
function Stats.rows(handle)
  local rows = { unpack(Schema.STORE) }
  each_gauge(handle, function(gauge)
    local name = ffi.string(gauge.name)
    rows[#rows + 1] = { name, is = gauge.counter ~= 0 and "counter" or "gauge",
      unit = unit_of(name), from = "gauges." .. name,
      help = gauge.help ~= nil and ffi.string(gauge.help) or name }
  end)
  return rows
end


--- Everything that the runtime and the connector count.
function Stats.read(store)
  local handle = store.handle
  C.weir_store_stats(handle, store_stats)
  local s, ops, gauges = store_stats, {}, {}
  for _, name in ipairs(Op.list) do ops[name] = op_table(handle, Op.number[name]) end
  each_gauge(handle, function(gauge)
    gauges[ffi.string(gauge.name)] = tonumber(gauge.value)
  end)
  local erred = s.last_error_ns ~= 0
  return {
    name = store.name,
    ops = ops,
    inflight = {
      batches = tonumber(s.inflight_batches),
      keys = tonumber(s.inflight_items),
      bytes = tonumber(s.inflight_bytes),
    },
    workers = tonumber(s.workers),
    sessions = tonumber(s.sessions),
    reconnects = tonumber(s.reconnects),
    connect_failures = tonumber(s.connect_failures),
    refused = tonumber(s.refused),
    last_error = erred and ffi.string(s.last_error.message) or nil,
    last_error_age = erred
      and tonumber(C.weir_now() - s.last_error_ns) * 1e-9 or nil,
    gauges = gauges,
  }
end


--- The latencies of an op by bucket, as uint64_t[WEIR_HISTOGRAM].
---@param which string "queue" or "service"
function Stats.histogram(handle, op, which)
  local counts = ffi.new("uint64_t[?]", C.WEIR_HISTOGRAM)
  C.weir_store_histogram(handle, Op.number[op], which == "queue" and 1 or 0, counts)
  return counts
end


return Stats
