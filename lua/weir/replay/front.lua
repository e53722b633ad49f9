-- replay/front.lua: what the runs of a sweep cost, which of them no other beats (the
-- Pareto front) and where more cost begins to bring less (the knee).

local Front = {}


local function default_cost(report)
  local bytes = 0
  for _, store in ipairs(report.stores) do
    bytes = bytes + (store.capacity or store.bytes or 0)
  end
  return bytes / 2 ^ 30
end


-- The names in an expression: the fields of a report, its parameters, and its stores
-- by label, with _ for what is no letter.
local function names_of(report)
  local names = {}
  for name, value in pairs(math) do names[name] = value end
  for name, value in pairs(report) do names[name] = value end
  for name, text in pairs(report.params or {}) do
    names[name] = tonumber(text) or require("weir.core.quantity").size(text) or text
  end
  for _, store in ipairs(report.stores) do
    names[store.label:gsub("[^%w_]", "_")] = store
  end
  names.GiB, names.MiB, names.KiB = 2 ^ 30, 2 ^ 20, 2 ^ 10
  return names
end


--- A function that says what a report costs. text: an expression over its fields, or
--- nil: the GiB that the stores may hold. nil and why: it is none.
---@param text string?
---@return (fun(report: table): number?, string?)?, string?
function Front.cost(text)
  if not text then return default_cost end
  local chunk, why = loadstring("return " .. text, "=--cost")
  if not chunk then return nil, (why:gsub("^%-%-cost:%d+: ", "")) end
  return function(report)
    local names = names_of(report)
    setfenv(chunk, setmetatable({}, { __index = function(_, name)
      if names[name] == nil then error(("no field %q"):format(name), 2) end
      return names[name]
    end }))
    local good, cost = pcall(chunk)
    if not good then return nil, (tostring(cost):gsub("^%-%-cost:%d+: ", "")) end
    if type(cost) ~= "number" or cost ~= cost then return nil, "it is no number" end
    return cost
  end
end


-- The point of a front that is farthest from the line between its ends.
local function knee_of(front)
  if #front < 3 then return nil end
  local first, last = front[1], front[#front]
  local width, height = last.cost - first.cost, last.hits - first.hits
  if width <= 0 or height <= 0 then return nil end
  local best, most = nil, 0
  for _, run in ipairs(front) do
    local above = (run.hits - first.hits) / height - (run.cost - first.cost) / width
    if above > most then best, most = run, above end
  end
  return best
end


--- Sorts runs ({ cost, hits }) by cost and marks those of the front and its knee.
function Front.mark(runs)
  table.sort(runs, function(a, b)
    if a.cost ~= b.cost then return a.cost < b.cost end
    if a.hits ~= b.hits then return a.hits > b.hits end
    return a.name < b.name
  end)
  local front, most = {}, -1
  for _, run in ipairs(runs) do
    run.front = run.hits > most
    if run.front then
      front[#front + 1], most = run, run.hits
    end
  end
  local knee = knee_of(front)
  if knee then knee.knee = true end
  return runs
end


return Front
