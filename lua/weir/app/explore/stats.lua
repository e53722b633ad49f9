-- stats: what each store of a tree has counted.
local Exit = require "weir.app.exit"
local Paths = require "weir.observe.paths"
local Quantity = require "weir.core.quantity"
local root_of = require "weir.app.explore.root"

local OPS = { "get", "set", "exists", "delete", "stat", "touch", "scan" }


local function statuses(counts)
  local list = {}
  for name, n in pairs(counts) do list[#list + 1] = name .. " " .. Quantity.count(n) end
  table.sort(list)
  return table.concat(list, ", ")
end


-- Policies and C stores count the same things in tables of their own.
local function op_row(name, op)
  local bytes = op.bytes or op.bytes_read + op.bytes_written
  local service = op.service or op
  return { "  " .. name, Quantity.count(op.keys or op.items), Quantity.bytes(bytes),
    service.p50 and Quantity.time(service.p50) or "-",
    service.p99 and Quantity.time(service.p99) or "-", statuses(op.status) }
end


local function plain_facts(entry)
  local list = {}
  for name, value in pairs(entry) do
    if type(value) == "number" and value ~= 0 then
      list[#list + 1] = ("%s %s"):format(name, Quantity.fact(name, value))
    end
  end
  for name, value in pairs(entry.gauges or {}) do
    list[#list + 1] = ("%s %s"):format(name, Quantity.fact(name, value))
  end
  table.sort(list)
  return list
end


local function show(view, path, entry)
  view:line("%s", path)
  local rows = { { "  op", "keys", "bytes", "p50", "p99", "answers" } }
  for _, name in ipairs(OPS) do
    local op = entry.ops and entry.ops[name]
    if op then rows[#rows + 1] = op_row(name, op) end
  end
  if #rows > 1 then view:table(rows, "lrrrrl") end
  local facts = plain_facts(entry)
  if #facts > 0 then view:line("  %s", table.concat(facts, ", ")) end
  if entry.last_error then view:line("  last error: %s", entry.last_error) end
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
    local all = args.store:stats()
    if all.ops then all = { [args.store.name] = all } end
    if view.json then
        view:object(all)
      return Exit.OK
    end
    for _, place in ipairs(Paths.of(root_of(args.store)).list) do
      local path = all[place.path] and place.path or place.store.name
      if all[path] and not place.again then show(view, path, all[path]) end
    end
    return Exit.OK
  end,
}
