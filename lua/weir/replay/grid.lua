-- replay/grid.lua: the values of a sweep's parameters, and all combinations of them.
--
--   hits=1,2,4              these
--   capacity=1GiB..64GiB    doubled from the first to the last
--   shards=2..10+2          in steps

local Quantity = require "weir.core.quantity"

local Grid = {}

local MOST = 100000 -- runs


-- Reads a number, or a size with its unit. Returns it, and a function that writes
-- others in the same unit. nil if the text is neither; nil and a reason if it is too
-- large.
local function quantity(text)
  local number = tonumber(text)
  if number and number == number then
    return number, function(x) return ("%.14g"):format(x) end
  end
  local unit = text:match "^[%d.]+%s*(%a+)$"
  local scale = unit and Quantity.size("1" .. unit)
  if not scale then return nil end
  local bytes, why = Quantity.size(text)
  if not bytes then return nil, why:find "is too large" and why or nil end
  return bytes, function(x) return ("%.14g%s"):format(x / scale, unit) end
end


-- What is wrong with a range of these quantities, or nil. by: nil if there is no step.
local function fault(from, to, by)
  if from > to then return "ends below its beginning" end
  if by and by <= 0 then return "needs a step over 0" end
  if not by and from <= 0 then
    return "cannot be doubled; give a step, as in 0..10+2"
  end
end


-- The first, the last and the step of a range: nil if it has none. Behind the first is
-- how to write others. nil and why: they make no range.
local function ends(text, first, last, step)
  local from, write = quantity(first)
  local to, to_large = quantity(last)
  local by, by_large
  if step ~= "" then by, by_large = quantity(step) end
  if not from or not to or step ~= "" and not by then
    local large = by_large
    if not from then large = write elseif not to then large = to_large end
    return nil, large
      or ("'%s' is no range of numbers or sizes; write 1GiB..64GiB or 2..10+2"):format(
        text)
  end
  local why = fault(from, to, by)
  if why then return nil, ("the range '%s' %s"):format(text, why) end
  return from, write, to, by
end


-- The values of a range. nil if the text is no range; nil and a reason if it is wrong.
local function range(text)
  local first, last, step = text:match "^(.-)%.%.([^+]*)%+?(.*)$"
  if not first then return nil end
  local from, write, to, by = ends(text, first, last, step)
  if not from then return nil, write end
  local list, x = {}, from
  while x <= to * (1 + 1e-12) do
    list[#list + 1] = write(x)
    if #list > MOST then return nil, ("'%s' has too many values"):format(text) end
    if by then x = x + by else x = 2 * x end
  end
  return list
end


local function list_of(text)
  local list = {}
  for word in (text .. ","):gmatch "([^,]*)," do
    local values, why = range(word)
    if why then return nil, why end
    for _, value in ipairs(values or { word }) do list[#list + 1] = value end
  end
  return list
end


--- Reads "name=values". Returns { name, values, text }, or nil and why.
function Grid.read(text)
  local name, values = text:match "^([%a_][%w_]*)=(.*)$"
  if not name then return nil, ("'%s' is not name=values"):format(text) end
  if values == "" then return nil, ("'%s' has no values"):format(text) end
  local list, why = list_of(values)
  if not list then return nil, why end
  return { name = name, values = list, text = values }
end


--- All combinations of axes, the last one changing fastest: texts by name. nil and
--- why: there are too many.
function Grid.runs(axes)
  local runs = { {} }
  for _, axis in ipairs(axes) do
    local more = {}
    if #runs * #axis.values > MOST then return nil, "more than 100000 runs" end
    for _, run in ipairs(runs) do
      for _, value in ipairs(axis.values) do
        local next_run = { [axis.name] = value }
        for name, other in pairs(run) do next_run[name] = other end
        more[#more + 1] = next_run
      end
    end
    runs = more
  end
  return runs
end


--- What a combination is called: "capacity=1GiB hits=2".
function Grid.name(axes, run)
  local parts = {}
  for i, axis in ipairs(axes) do parts[i] = axis.name .. "=" .. run[axis.name] end
  return table.concat(parts, " ")
end


return Grid
