-- observe/stats.lua: what the nodes of a tree have counted, as one table by path.
-- Every node: ops by op and status, keys, bytes, seconds with a histogram. Words
-- add their own (tally): levels of a tier, attempts of a retry, and so on. For
-- C stores: what the runtime and the connector count.

local Counters = require "weir.observe.counters"
local Paths = require "weir.observe.paths"

local Stats = {}


-- The latency below which a share of the batches stayed; a bucket's upper bound.
local function quantile(counts, share)
  local wanted, sum = counts.batches * share, 0
  for i = 0, Counters.BUCKETS do
    sum = sum + counts.buckets[i]
    if sum >= wanted then return Counters.bound(i) end
  end
end


local function op_table(counts)
  local status = {}
  for name, n in pairs(counts.other) do status[name] = n end
  if counts.ok > 0 then status.ok = counts.ok end
  return {
    batches = counts.batches, keys = counts.keys, status = status,
    bytes = counts.bytes, seconds = counts.seconds,
    p50 = quantile(counts, 0.5), p99 = quantile(counts, 0.99),
    buckets = counts.buckets,
  }
end


--- What one node has counted.
function Stats.node(store)
  local ops = {}
  for op, counts in pairs(store.counters) do ops[op] = op_table(counts) end
  local entry = { word = store.word, name = store.name, ops = ops }
  if store.tally then
    for name, value in pairs(store:tally()) do entry[name] = value end
  end
  return entry
end


--- All of a tree, by path; a store that is used twice where it stands first.
function Stats.run(root)
  local all = {}
  for _, place in ipairs(Paths.of(root).list) do
    local store = place.store
    if store.counters and not place.again then
      all[place.path] = Stats.node(store)
    elseif store.handle and not place.again then
      all[place.path] = store:stats()
    end
  end
  return all
end


return Stats
