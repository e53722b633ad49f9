-- stats: what the stores of a tree have counted.
local Exit = require "weir.app.exit"
local Op = require "weir.core.op"
local Quantity = require "weir.core.quantity"
local Schema = require "weir.observe.schema"
local Stats = require "weir.observe.stats"
local root_of = require "weir.app.explore.root"


-- How numbers of a unit are written.
local FORMS = { bytes = Quantity.bytes, seconds = Quantity.time }


local function statuses(counts)
  local list = {}
  for name, n in pairs(counts) do list[#list + 1] = name .. " " .. Quantity.count(n) end
  table.sort(list)
  return table.concat(list, ", ")
end


local function op_row(name, op)
  local service = op.service
  return { "  " .. name, Quantity.count(op.keys), Quantity.bytes(op.bytes),
    service and Quantity.time(service.p50) or "-",
    service and Quantity.time(service.p99) or "-", statuses(op.status) }
end


-- "hits 1 3, 2 1": numbers that are not 0, by their label.
local function labelled(row, form, value)
  local parts = {}
  for key, n in pairs(value) do
    if n ~= 0 then parts[#parts + 1] = ("%s %s"):format(key, form(n)) end
  end
  table.sort(parts)
  return parts[1] and ("%s by %s: %s"):format(row[1], row.by, table.concat(parts, ", "))
end


local function fact(row, value)
  if value == nil or row.is == "table" then return nil end
  if row.is == "state" or row.is == "text" then return row[1] .. " " .. value end
  local form = FORMS[row.unit] or Quantity.count
  if row.by then return labelled(row, form, value) end
  return value ~= 0 and ("%s %s"):format(row[1], form(value)) or nil
end


local function show(view, place)
  local facts = place.facts
  view:line("%s", place.path)
  local rows = { { "  op", "keys", "bytes", "p50", "p99", "answers" } }
  for _, name in ipairs(Op.list) do
    if facts.ops[name] then rows[#rows + 1] = op_row(name, facts.ops[name]) end
  end
  if #rows > 1 then view:table(rows, "lrrrrl") end
  local plain = {}
  for _, row in ipairs(Schema.of(place.store, facts)) do
    local text = fact(row, Schema.value(row, facts))
    if text and (row.by or row.is == "text") then view:line("  %s", text) end
    if text and not row.by and row.is ~= "text" then plain[#plain + 1] = text end
  end
  if #plain > 0 then view:line("  %s", table.concat(plain, ", ")) end
end


return {
  name = "stats",
  summary = "Show what each store has counted.",
  description = "Show what each policy and store has counted since it was opened: "
    .. "operations by answer, bytes, latencies, and numbers of its own. A store "
    .. "that is opened just for this has counted nothing; weir run --stats tells of a "
    .. "script's.",
  stores = 1,
  arguments = {},
  run = function(view, args)
    local all = {}
    for _, place in ipairs(Stats.list(root_of(args.store))) do
      all[place.path] = place.facts
      show(view, place)
    end
    view:object(all)
    return Exit.OK
  end,
}
