-- policy/serialize/json.lua: tables, strings, numbers and booleans as JSON and back, so
-- that what comes back is what was given. cjson writes numbers with 14 digits, turns
-- keys that are numbers into strings and skips what it cannot write, so tables are
-- written here. It reads well, within a bound of depth.

local cjson = require("cjson").new()

local Json = {}

-- Tables in tables. A table that holds itself is deeper.
local DEEPEST = 100

cjson.decode_max_depth(DEEPEST)
cjson.decode_invalid_numbers(false)

local quote = cjson.encode
local concat, format = table.concat, string.format
local huge = math.huge

Json.null = cjson.null

-- A text is written to a list of parts, `at` is its last one. size: bytes so far.
local write


local function put(out, text)
  local n = out.n + 1
  out[n], out.n = text, n
  out.size = out.size + #text
  if out.size > out.max then
    error(format("is larger than max, %d bytes", out.max), 0)
  end
end


-- Adds where in the table an error is to its message. The place is made from the inside
-- out, when there is an error.
local function inside(out, name, x, depth)
  local ok, why = pcall(write, out, x, depth)
  if ok then return end
  local place = type(name) == "number" and format("[%d]", name) or "." .. name
  if why:sub(1, 1) ~= "." and why:sub(1, 1) ~= "[" then why = " " .. why end
  error(place .. why, 0)
end


local function number(x)
  if x ~= x or x == huge or x == -huge then
    error(format("is %s, which JSON does not have", tostring(x)), 0)
  end
  local short = format("%.14g", x)
  return tonumber(short) == x and short or format("%.17g", x)
end


-- The length of a list; nil: the table has names.
local function length(t)
  local n = 0
  for key in pairs(t) do
    if type(key) ~= "number" then return nil end
    n = n + 1
  end
  return n
end


local function write_list(out, t, n, depth)
  for i = 1, n do
    if t[i] == nil then
      error(format("has %d items and no item %d: a list has no holes", n, i), 0)
    end
  end
  put(out, "[")
  for i = 1, n do
    if i > 1 then put(out, ",") end
    inside(out, i, t[i], depth)
  end
  put(out, "]")
end


local function write_object(out, t, depth)
  local names, n = {}, 0
  for key in pairs(t) do
    if type(key) ~= "string" then
      error(format("has names and a key that is a %s: use strings alone, or a list",
        type(key)), 0)
    end
    n = n + 1
    names[n] = key
  end
  table.sort(names)
  put(out, "{")
  for i = 1, n do
    put(out, (i > 1 and "," or "") .. quote(names[i]) .. ":")
    inside(out, names[i], t[names[i]], depth)
  end
  put(out, "}")
end


write = function(out, x, depth)
  local kind = type(x)
  if kind == "string" then return put(out, quote(x)) end
  if kind == "number" then return put(out, number(x)) end
  if kind == "boolean" then return put(out, tostring(x)) end
  if x == Json.null then return put(out, "null") end
  if kind ~= "table" then
    error(format("is a %s, which JSON does not have", kind), 0)
  end
  if depth == DEEPEST then
    error(format("is in more than %d tables, or a table holds itself", DEEPEST), 0)
  end
  local n = length(x)
  if n and n > 0 then return write_list(out, x, n, depth + 1) end
  return write_object(out, x, depth + 1)
end


--- Writes a value. nil and why not, a sentence that begins with the place in the table.
---@param max integer bytes at most
---@return string? text, string? why
function Json.encode(x, max)
  local out = { n = 0, size = 0, max = max }
  local ok, why = pcall(write, out, x, 0)
  if ok then return concat(out) end
  return nil, why
end


--- Reads a text. false and why not.
---@param text string
function Json.decode(text)
  local ok, x = pcall(cjson.decode, text)
  if ok then return true, x end
  return false, x
end


return Json
