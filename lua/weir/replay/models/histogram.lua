-- replay/models/histogram.lua: seconds in the runtime's buckets (within 3 %), for
-- latencies and for the age of evicted entries. Each costs 10 KiB.

local ffi = require "ffi"
local Counters = require "weir.observe.counters"
local C = require("weir.ffi").C

local bucket_of = C.weir_histogram_bucket
local new_counts = ffi.typeof(("uint64_t[%d]"):format(tonumber(C.WEIR_HISTOGRAM)))
local latency = ffi.new "struct weir_latency"

local Histogram = {}
Histogram.__index = Histogram


function Histogram.new()
  return setmetatable({ counts = new_counts(), count = 0, sum = 0, max = 0 }, Histogram)
end


--- Counts a time in seconds.
function Histogram:add(x)
  local bucket = bucket_of(x > 0 and x * 1e9 or 0)
  self.counts[bucket] = self.counts[bucket] + 1
  self.count, self.sum = self.count + 1, self.sum + x
  if x > self.max then self.max = x end
end


--- What Counters.latency says of all times; nil when there are none.
function Histogram:summary()
  if self.count == 0 then return nil end
  latency.sum_ns, latency.max_ns = self.sum * 1e9 + 0.5, self.max * 1e9 + 0.5
  C.weir_histogram_quantiles(self.counts, latency)
  return Counters.latency(latency)
end


return Histogram
