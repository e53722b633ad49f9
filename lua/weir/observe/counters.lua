-- observe/counters.lua: the counters of a node of a policy tree, for each op: requests,
-- keys by status, bytes, and the time of requests in the same histogram as stores of C.
-- Read by stats.lua. Attempts are not operations: a retry counts its own, and the node
-- below it counts one request for each attempt.

local ffi = require "ffi"
local C = require("weir.ffi").C

local Counters = {}

local HISTOGRAM = tonumber(C.WEIR_HISTOGRAM)
local max = math.max
local bucket_of = C.weir_histogram_bucket
-- Doubles: LuaJIT adds to them without making an object, even where it interprets.
local Buckets = ffi.typeof("double[$]", HISTOGRAM)
local copy, latency = ffi.new("uint64_t[?]", HISTOGRAM), ffi.new "struct weir_latency"


local function fresh(self, op)
  local counts = {
    batches = 0, keys = 0, ok = 0, other = {}, bytes = 0, seconds = 0, longest = 0,
    buckets = Buckets(),
  }
  self[op] = counts
  return counts
end


function Counters.new()
  return {}
end


-- The slots of a reply by status, and how many are ok, kept with the reply so
-- that the nodes above need not count again.
local function count_statuses(counts, reply)
  local other, ok = counts.other, 0
  for i = 1, reply.n do
    local status = reply[i]
    if status == "ok" then
      ok = ok + 1
    else
      other[status] = (other[status] or 0) + 1
    end
  end
  counts.ok = counts.ok + ok
  reply.good = ok
end


--- Counts one answered request.
function Counters.record(self, req, reply, seconds)
  local op, n = req.op, req.n
  local counts = self[op] or fresh(self, op)
  counts.batches = counts.batches + 1
  counts.keys = counts.keys + n
  counts.seconds = counts.seconds + seconds
  counts.longest = max(counts.longest, seconds)
  if reply.good == n then
    counts.ok = counts.ok + n
  else
    count_statuses(counts, reply)
  end
  if op == "get" then
    counts.bytes = counts.bytes + reply:bytes()
  elseif req.values then
    counts.bytes = counts.bytes + req:bytes()
  elseif op == "gat" or op == "take" then
    counts.bytes = counts.bytes + reply:bytes()
  end
  local bucket = bucket_of(max(seconds, 0) * 1e9)
  counts.buckets[bucket] = counts.buckets[bucket] + 1
end


--- Counts gets of which all keys were found. Only the sum of their times and the
--- longest one are known: each counts as the mean.
---@param hits table see Node:count_hits
function Counters.add_hits(self, hits)
  local counts, n = self.get or fresh(self, "get"), hits.batches
  counts.batches, counts.keys = counts.batches + n, counts.keys + hits.keys
  counts.ok, counts.bytes = counts.ok + hits.keys, counts.bytes + hits.bytes
  counts.seconds = counts.seconds + hits.seconds
  counts.longest = max(counts.longest, hits.longest)
  local bucket = bucket_of(hits.seconds / n * 1e9)
  counts.buckets[bucket] = counts.buckets[bucket] + n
end


--- A latency of C as a table in seconds, as all times in Lua. nil: nothing was counted.
---@param l ffi.cdata* struct weir_latency
function Counters.latency(l)
  local count = tonumber(l.count)
  if count == 0 then return nil end
  return {
    count = count, mean = tonumber(l.sum_ns) / count * 1e-9,
    p50 = tonumber(l.p50_ns) * 1e-9, p90 = tonumber(l.p90_ns) * 1e-9,
    p99 = tonumber(l.p99_ns) * 1e-9, p999 = tonumber(l.p999_ns) * 1e-9,
    max = tonumber(l.max_ns) * 1e-9,
  }
end


--- The stats of one op, as those of a store in C.
function Counters.read(counts)
  local status = {}
  for name, n in pairs(counts.other) do status[name] = n end
  if counts.ok > 0 then status.ok = counts.ok end
  for i = 0, HISTOGRAM - 1 do copy[i] = counts.buckets[i] end
  latency.sum_ns, latency.max_ns = counts.seconds * 1e9, counts.longest * 1e9
  C.weir_histogram_quantiles(copy, latency)
  return { batches = counts.batches, keys = counts.keys, status = status,
    bytes = counts.bytes, service = Counters.latency(latency) }
end


--- The times of requests by bucket. A node has no queue.
---@param which string "queue" or "service"
function Counters.histogram(self, op, which)
  return which == "service" and self[op] and self[op].buckets or nil
end


return Counters
