-- observe/counters.lua: what every node of a policy tree counts, a few increments a
-- batch: batches and keys by op, slots by status, bytes each way, seconds as a
-- histogram. Read by stats.lua. Attempts are not operations: a retry counts its
-- own, the node below it one batch for each time it is asked.

local floor, log = math.floor, math.log

local Counters = {}

-- Buckets double from one microsecond: bucket i holds up to 2^i us.
local BUCKETS = 28
local PER_OCTAVE = 1 / log(2)

Counters.BUCKETS = BUCKETS


--- The upper bound of a bucket, in seconds.
function Counters.bound(i)
  return 2 ^ i * 1e-6
end


local function fresh(self, op)
  local counts = {
    batches = 0, keys = 0, ok = 0, other = {}, bytes = 0, seconds = 0, buckets = {},
  }
  for i = 0, BUCKETS do counts.buckets[i] = 0 end
  self[op] = counts
  return counts
end


function Counters.new()
  return {}
end


-- The slots of a reply by status, and how many are ok, kept with the reply so
-- that the nodes above need not count again.
local function tally(counts, reply)
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
  if reply.good == n then
    counts.ok = counts.ok + n
  else
    tally(counts, reply)
  end
  if op == "get" then
    counts.bytes = counts.bytes + reply:bytes()
  elseif op == "set" then
    counts.bytes = counts.bytes + req:bytes()
  end
  local bucket = seconds > 1e-6 and floor(log(seconds * 1e6) * PER_OCTAVE) + 1 or 0
  if bucket > BUCKETS then bucket = BUCKETS end
  counts.buckets[bucket] = counts.buckets[bucket] + 1
end


return Counters
