-- native/store_stats.lua: the statistics of a C store as a table. Used by native.lua.

local ffi = require "ffi"
local Op = require "weir.core.op"
local status = require "weir.core.status"
local C = require("weir.ffi").C

local store_stats = ffi.new "struct weir_store_stats"
local op_stats = ffi.new "struct weir_op_stats"
local gauge_array = ffi.typeof "struct weir_gauge[?]"


-- Seconds, as all times in Lua.
local function latency(l)
  if l.count == 0 then return nil end
  return {
    count = tonumber(l.count),
    mean = tonumber(l.sum_ns) / tonumber(l.count) * 1e-9,
    p50 = tonumber(l.p50_ns) * 1e-9,
    p90 = tonumber(l.p90_ns) * 1e-9,
    p99 = tonumber(l.p99_ns) * 1e-9,
    p999 = tonumber(l.p999_ns) * 1e-9,
    max = tonumber(l.max_ns) * 1e-9,
  }
end


-- The counts of an op, or nil when it was never asked.
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
    items = tonumber(op_stats.items),
    status = counts,
    bytes_read = tonumber(op_stats.bytes_read),
    bytes_written = tonumber(op_stats.bytes_written),
    queue = latency(op_stats.queue),
    service = latency(op_stats.service),
  }
end


local function gauges(handle)
  local n = tonumber(C.weir_store_gauges(handle, nil, 0))
  local list = gauge_array(math.max(n, 1))
  n = math.min(n, tonumber(C.weir_store_gauges(handle, list, n)))
  local values = {}
  for i = 0, n - 1 do
    values[ffi.string(list[i].name)] = tonumber(list[i].value)
  end
  return values
end


--- Everything that the runtime and the connector count.
return function(store)
  local handle = store.handle
  C.weir_store_stats(handle, store_stats)
  local s, ops = store_stats, {}
  for name, op in pairs(Op.number) do ops[name] = op_table(handle, op) end
  local erred = s.last_error_ns ~= 0
  return {
    name = store.name,
    ops = ops,
    inflight = {
      batches = tonumber(s.inflight_batches),
      items = tonumber(s.inflight_items),
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
    gauges = gauges(handle),
  }
end
