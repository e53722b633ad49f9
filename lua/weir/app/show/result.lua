-- Results of expressions, for people: values as literals, a large one as its head
-- and its size, tables to some depth, replies a line a slot.
local Error = require "weir.core.error"
local Literal = require "weir.app.show.literal"
local Number = require "weir.app.show.number"
local Quantity = require "weir.core.quantity"
local Reply = require "weir.core.reply"
local Store = require "weir.core.store"
local Value = require "weir.core.value"

local Result = {}

local DEPTH = 4
local ENTRIES = 50 -- of a table or reply that are shown

-- A value of so many bytes is shown whole, of a larger one its head.
local WHOLE, HEAD = 1024, 60


local function bytes(value, nested)
  local most = nested and HEAD or WHOLE
  local text, all = Literal.preview(value, #value <= most and most or HEAD)
  if all then return text end
  return ("%s... (%s)"):format(text, Quantity.bytes(#value))
end


-- A line a slot: number, status, value or error.
local function reply_lines(reply)
  local lines = {}
  for i = 1, math.min(reply.n, ENTRIES) do
    local value, err = reply:value(i), reply:error(i)
    local said = value and bytes(value, true) or err and tostring(err) or ""
    lines[i] = ("%3d  %-11s %s"):format(i, reply[i], said):gsub(" +$", "")
  end
  if reply.n > ENTRIES then
    lines[#lines + 1] = ("     and %d more"):format(reply.n - ENTRIES)
  end
  return lines
end


local function is_name(key)
  return type(key) == "string" and key:find "^[%a_][%w_]*$"
end


local function by_key(a, b)
  if type(a) ~= type(b) then return type(a) == "number" end
  if type(a) == "number" or type(a) == "string" then return a < b end
  return tostring(a) < tostring(b)
end


local write


local function entries(t, depth, seen)
  local keys, list = {}, {}
  for key in pairs(t) do keys[#keys + 1] = key end
  table.sort(keys, by_key)
  for i, key in ipairs(keys) do
    if i > ENTRIES then
      list[i] = ("and %d more"):format(#keys - ENTRIES)
      break
    end
    local value = write(t[key], depth + 1, seen)
    if key == i then
      list[i] = value
    elseif is_name(key) then
      list[i] = key .. " = " .. value
    else
      list[i] = "[" .. write(key, depth + 1, seen) .. "] = " .. value
    end
  end
  return list
end


local function write_table(t, depth, seen)
  if seen[t] then return "{ ...again }" end
  if depth >= DEPTH then return "{ ... }" end
  seen[t] = true
  local list = entries(t, depth, seen)
  seen[t] = nil
  if #list == 0 then return "{}" end
  local line = "{ " .. table.concat(list, ", ") .. " }"
  if #line + 2 * depth <= 80 and not line:find "\n" then return line end
  local indent = ("  "):rep(depth + 1)
  return "{\n" .. indent .. table.concat(list, ",\n" .. indent) .. "\n"
    .. ("  "):rep(depth) .. "}"
end


write = function(x, depth, seen)
  if type(x) == "string" or Value.is(x) then return bytes(x, depth > 0) end
  if type(x) == "number" then return Number.text(x) end
  if type(x) ~= "table" then return tostring(x) end
  if Error.is(x) then return "error: " .. tostring(x) end
  if getmetatable(x) == Reply then return ("reply of %d slots"):format(x.n) end
  if Store.is(x) then return ("store %s"):format(tostring(x.name)) end
  return write_table(x, depth, seen)
end


--- Writes one result. It may have several lines, and no control characters.
---@param x any
---@return string
function Result.text(x)
  if type(x) == "table" and getmetatable(x) == Reply then
    return Literal.harmless(table.concat(reply_lines(x), "\n"))
  end
  return Literal.harmless(write(x, 0, {}))
end


return Result
