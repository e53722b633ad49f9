-- replay/text.lua: a report for people, on one screen.

local Columns = require "weir.app.show.columns"
local Quantity = require "weir.core.quantity"

local Text = {}

local count, bytes, time = Quantity.count, Quantity.bytes, Quantity.time


local function percent(x)
  return ("%.2f %%"):format(100 * x)
end


local function span(seconds)
  return seconds and time(seconds) or "-"
end


local function head(report)
  local lines = {}
  lines[1] = ("%s, %s: %s, %s, %s speed"):format(report.policy,
    table.concat(report.traces, " "), report.format, report.requests_mode,
    report.speed == "closed" and report.clients .. " clients, closed" or report.speed)
  if report.stopped then
    lines[#lines + 1] = "stopped early: this is what was known by then"
  end
  if report.speed == "max" and not report.latency then
    lines[#lines + 1] = "no latencies: stores take no time at max speed; "
      .. "--speed 1x or closed=16 gives them"
  end
  if report.requests == 0 then
    lines[#lines + 1] = "no request was counted: the trace has none, or --skip, "
      .. "--warmup and --limit leave none"
  end
  if report.bad_lines then
    lines[#lines + 1] = Quantity.things(report.bad_lines, "bad line") .. " left out"
  end
  if report.dropped then
    lines[#lines + 1] = Quantity.things(report.dropped, "request")
      .. " dropped: 65536 were in flight"
  end
  if report.sample then
    lines[#lines + 1] = ("a sample of %s of the keys, capacities scaled; adjusted hit "
      .. "ratio %s"):format(percent(report.sample.share),
      percent(report.sample.adjusted_hit_ratio))
  end
  return lines
end


local function overall(report)
  local rows = {
    { "requests", count(report.requests), "keys", count(report.keys), "bytes",
      bytes(report.bytes) },
    { "hits", percent(report.hit_ratio), "by bytes", percent(report.byte_hit_ratio),
      "leading", percent(report.leading_ratio) },
    { "misses", count(report.misses), "errors", count(report.errors), "set",
      bytes(report.sets.bytes) },
  }
  if report.tokens then
    rows[#rows + 1] = { "tokens", count(report.tokens.all), "hit",
      percent(report.tokens.hit / report.tokens.all), "leading",
      percent(report.tokens.leading / report.tokens.all) }
  end
  if report.latency then
    rows[#rows + 1] = { "latency p50", span(report.latency.p50), "p99",
      span(report.latency.p99), "max", span(report.latency.max) }
  end
  return rows
end


local function level_rows(report)
  local rows = { { "level", "hits", "of all keys", "p50", "p99" } }
  for i, level in ipairs(report.levels) do
    rows[#rows + 1] = { tostring(i), count(level.hits), percent(level.hit_ratio),
      span(level.latency and level.latency.p50),
      span(level.latency and level.latency.p99) }
  end
  return rows
end


local function calls(store)
  local sum = 0
  for _, op in pairs(store.ops) do sum = sum + op.calls end
  return sum
end


local function traffic_rows(report)
  local rows = { { "store", "gets", "hit ratio", "read", "sets", "written", "copies",
    "of these read", "calls", "p50", "p99" } }
  for _, store in ipairs(report.stores) do
    local get, set = store.ops.get or {}, store.ops.set or {}
    local latency = store.latency and store.latency.get or {}
    rows[#rows + 1] = { store.label, count(get.keys or 0),
      store.hit_ratio and percent(store.hit_ratio) or "-", bytes(get.bytes or 0),
      count(set.keys or 0), bytes(set.bytes or 0),
      store.copies and count(store.copies) or "-",
      store.copies_read and percent(store.copies_read) or "-",
      count(calls(store)), span(latency.p50), span(latency.p99) }
  end
  return rows
end


local function content_rows(report)
  local rows = { { "store", "items", "holds", "evicted", "of these unread", "age p50",
    "p90", "idle p50", "p90" } }
  for _, store in ipairs(report.stores) do
    local evicted = store.evictions or {}
    local age, idle = evicted.age or {}, evicted.idle or {}
    rows[#rows + 1] = { store.label, count(store.items or 0), bytes(store.bytes or 0),
      count(evicted.count or 0),
      evicted.unused and percent(evicted.unused / evicted.count) or "-",
      span(age.p50), span(age.p90), span(idle.p50), span(idle.p90) }
  end
  return rows
end


local function promotion_lines(report, lines)
  local paths = {}
  for path, entry in pairs(report.policies or {}) do
    if entry.promotions then paths[#paths + 1] = path end
  end
  table.sort(paths)
  for _, path in ipairs(paths) do
    local entry = report.policies[path]
    lines[#lines + 1] = ("%s: promoted %s of %s found below; dropped %s, rejected %s")
      :format(path, count(entry.promotions.stored),
        count(entry.promote_yes + entry.promote_no), count(entry.promotions.dropped),
        count(entry.promotions.rejected))
  end
end


local function bound_lines(report, lines)
  local bounds = report.bounds
  if not bounds then return end
  lines[#lines + 1] = ("no cache of any size hits more than %s: %s keys come for the "
    .. "first time"):format(percent(bounds.compulsory.hit_ratio),
    count(bounds.compulsory.misses))
  for _, bound in ipairs(bounds.stores) do
    lines[#lines + 1] = ("%s: no policy hits more than %s at %s (%s)"):format(
      bound.label, percent(bound.hit_ratio), bound.items
        and count(bound.items) .. " entries" or bytes(bound.bytes), bound.rule)
  end
end


--- The lines of a report.
---@return string[]
function Text.lines(report)
  local lines = head(report)
  local function add(rows, align)
    lines[#lines + 1] = ""
    for _, line in ipairs(Columns.lines(rows, align)) do lines[#lines + 1] = line end
  end
  add(overall(report), "lrlrlr")
  if #report.levels > 1 then add(level_rows(report), "lrrrr") end
  add(traffic_rows(report), "lrrrrrrrrrr")
  add(content_rows(report), "lrrrrrrrr")
  lines[#lines + 1] = ""
  promotion_lines(report, lines)
  bound_lines(report, lines)
  for _, warning in ipairs(report.warnings or {}) do
    lines[#lines + 1] = "not deterministic: " .. warning
  end
  if lines[#lines] == "" then lines[#lines] = nil end
  return lines
end


-- ---- side by side ----

local COMPARED = {
  { "hit ratio", "hit_ratio", percent },
  { "byte hit ratio", "byte_hit_ratio", percent },
  { "leading ratio", "leading_ratio", percent }, { "hits", "hits", count },
  { "misses", "misses", count }, { "errors", "errors", count },
}

-- The median age or idle time of what a store evicted, or nil.
local function evicted(store, what)
  local times = store.evictions and store.evictions[what]
  return times and times.p50
end


local STORE_COMPARED = {
  { "hit ratio", function(s) return s.hit_ratio end, percent },
  { "bytes read", function(s) return s.ops.get and s.ops.get.bytes end, bytes },
  { "bytes written", function(s) return s.ops.set and s.ops.set.bytes end, bytes },
  { "calls", calls, count },
  { "evictions", function(s) return s.evictions and s.evictions.count end, count },
  { "age when evicted, p50", function(s) return evicted(s, "age") end, time },
  { "idle when evicted, p50", function(s) return evicted(s, "idle") end, time },
  { "p99 of get", function(s) return s.latency and s.latency.get
    and s.latency.get.p99 end, time },
}


local function change(a, b)
  if a == b then return "=" end
  if a == 0 then return "new" end
  return ("%+.2f %%"):format(100 * (b - a) / a)
end


local function compare_row(rows, name, a, b, show)
  if not a and not b then return end
  rows[#rows + 1] = { name, a and show(a) or "-", b and show(b) or "-",
    a and b and change(a, b) or "-" }
end


local function p99(report)
  return report.latency and report.latency.p99
end


--- The rows of two reports side by side, with the difference.
---@return string[][]
function Text.compare(a, b, name_a, name_b)
  local rows = { { "", name_a, name_b, "difference" } }
  for _, row in ipairs(COMPARED) do
    compare_row(rows, row[1], a[row[2]], b[row[2]], row[3])
  end
  compare_row(rows, "p99", p99(a), p99(b), time)
  local other = {}
  for _, store in ipairs(b.stores) do other[store.label] = store end
  local function store_rows_of(label, x, y)
    for _, row in ipairs(STORE_COMPARED) do
      compare_row(rows, label .. ": " .. row[1], x and row[2](x), y and row[2](y),
        row[3])
    end
  end
  for _, store in ipairs(a.stores) do
    store_rows_of(store.label, store, other[store.label])
    other[store.label] = nil
  end
  for _, store in ipairs(b.stores) do
    if other[store.label] then store_rows_of(store.label, nil, store) end
  end
  return rows
end


return Text
