-- replay/report.lua: what a replay found, as one table: for --json as it is, for people
-- by text.lua, for pictures by plot.lua. It does not depend on how long the replay
-- took.

local Json = require "weir.app.show.json"
local Paths = require "weir.observe.paths"
local Stats = require "weir.observe.stats"

local Report = {}


local function ratio(part, whole)
  return whole > 0 and part / whole or 0
end


local function rounded(x)
  return x and math.floor(x * 1e12 + 0.5) / 1e12
end


local function summary(s)
  if not s then return nil end
  for name, value in pairs(s) do s[name] = rounded(value) end
  return s
end


local function times(histogram)
  return summary(histogram and histogram:summary())
end


local function op_of(counts)
  if not counts then return nil end
  return { calls = counts.batches, keys = counts.keys, ok = counts.ok,
    misses = counts.miss, others = counts.other, bytes = counts.bytes }
end


-- moved: whether the clock moved at all. It does not at speed "max" over a trace
-- without times, and then nothing has an age.
local function evictions(entry, gauges, moved)
  if not entry.meter.rules then -- a real store, which only counts them
    return (gauges.evictions or 0) > 0 and { count = gauges.evictions } or nil
  end
  local evicted = entry.meter:evictions()
  if evicted.count == 0 then return nil end
  evicted.age = moved and summary(evicted.age) or nil
  evicted.idle = moved and summary(evicted.idle) or nil
  return evicted
end


local function store_entry(entry, copies, moved)
  local meter, gauges = entry.meter, entry.store:stats().gauges or {}
  local ops, latency = {}, {}
  for op, counts in pairs(meter.ops) do ops[op] = op_of(counts) end
  for op, histogram in pairs(meter.latency) do latency[op] = times(histogram) end
  local get = meter.ops.get
  return {
    label = meter.label, connector = meter.connector, ops = ops,
    latency = next(latency) and latency or nil,
    hit_ratio = get and ratio(get.ok, get.keys) or nil,
    copies = copies and meter.copies or nil,
    copies_read = copies and meter.followed > 0 and meter.used / meter.followed or nil,
    items = gauges.items, bytes = gauges.bytes, capacity = gauges.capacity,
    capacity_items = entry.items and entry.items > 0 and entry.items or nil,
    evictions = evictions(entry, gauges, moved),
  }
end


-- What the words of a tree count beside operations: promotions and so on.
local function policies(store)
  local root = store.version and store.version.root or store
  if not Paths.children(root)[1] then return nil end
  local list = {}
  for path, entry in pairs(Stats.run(root)) do
    if entry.word then
      entry.ops = nil
      list[path] = entry
    end
  end
  return list
end


local function levels(counts)
  local list, most = {}, 0
  for level in pairs(counts.levels) do most = math.max(most, level) end
  for level = 1, most do
    local hits = counts.levels[level] or 0
    list[level] = { hits = hits, hit_ratio = ratio(hits, counts.keys),
      latency = times(counts.by_level[level]) }
  end
  return list
end


-- The bytes that gets asked for. A trace may not tell the size of a miss. Then it is
-- the size of the set that followed, unless the get hits in this run.
local function bytes_of(counts)
  if counts.unknown == 0 and counts.set_again == 0 then return counts.bytes end
  return counts.hit_bytes + counts.set_bytes - counts.set_again
end


local function overall(counts)
  return {
    requests = counts.requests, keys = counts.keys, hits = counts.hits,
    misses = counts.keys - counts.hits - counts.errors, errors = counts.errors,
    hit_ratio = ratio(counts.hits, counts.keys),
    bytes = bytes_of(counts), hit_bytes = counts.hit_bytes,
    byte_hit_ratio = ratio(counts.hit_bytes, bytes_of(counts)),
    leading_hits = counts.lead, leading_ratio = ratio(counts.lead, counts.keys),
    tokens = counts.tokens > 0 and { all = counts.tokens, hit = counts.hit_tokens,
      leading = counts.lead_tokens } or nil,
    sets = { keys = counts.sets, stored = counts.stored, rejected = counts.rejected,
      bytes = counts.set_bytes },
    others = counts.others > 0 and counts.others or nil,
  }
end


-- The hits by level as a list: 0 for a level without hits above one with some. A report
-- that was read may have the levels as names.
local function list_of_levels(hits_by_level)
  local list, most = {}, 0
  for level, hits in pairs(hits_by_level) do
    list[tonumber(level)] = hits
    most = math.max(most, tonumber(level))
  end
  for level = 1, most do list[level] = list[level] or 0 end
  return Json.list(list)
end


--- Marks the lists of a report: in JSON they are lists also when they are empty.
function Report.mark_lists(report)
  for _, point in ipairs(report.points or {}) do
    point.levels = list_of_levels(point.levels)
  end
  for _, name in ipairs { "levels", "stores", "traces", "warnings", "points" } do
    if report[name] then Json.list(report[name]) end
  end
  return report
end


--- The report of an engine that has run. about: what is said of the run itself.
function Report.of(engine, about)
  local counts, stores = engine.counts, {}
  local moved = engine.ended and engine.ended > engine.began
  counts:finish()
  for i, entry in ipairs(engine.world.stores) do
    stores[i] = store_entry(entry, engine.in_turn, moved)
  end
  local report = overall(counts)
  for name, value in pairs(about) do report[name] = value end
  report.levels, report.stores = levels(counts), stores
  report.policies = policies(engine.store)
  report.latency = times(counts.latency)
  report.not_found_latency = times(counts.by_level[0])
  report.points = counts.points
  report.seconds = rounded(engine.first_time and engine.last_time - engine.first_time)
  report.virtual_seconds = rounded(engine.ended and engine.ended - engine.began)
  report.dropped = engine.dropped > 0 and engine.dropped or nil
  report.bad_lines = engine.source:bad_lines() > 0 and engine.source:bad_lines() or nil
  report.stopped = engine.stopped or nil
  return report
end


return Report
