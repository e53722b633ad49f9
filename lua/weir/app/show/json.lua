-- Any value as JSON: bytes that are no text become hexadecimal, errors and replies
-- objects, tables with holes objects. All JSON that weir prints is written here:
-- cjson would write numbers with 14 digits.
local cjson = require "cjson"
local Bytes = require "weir.app.show.bytes"
local Error = require "weir.core.error"
local Number = require "weir.app.show.number"
local Reply = require "weir.core.reply"
local Store = require "weir.core.store"
local Value = require "weir.core.value"

local Json = {}

local DEEPEST = 20
local AGAIN = 100000 -- times that tables which were there before are written again

local plain


local function bytes(text)
  return Bytes.is_text(text) and text or Bytes.put({}, "value", text)
end


-- A name has no place for digits beside it.
local function text_of(name)
  return Bytes.is_text(name) and name or Bytes.escape(name)
end


local function reply_slots(reply)
  local slots = {}
  for i = 1, reply.n do
    local err, value = reply:error(i), reply:value(i)
    slots[i] = {
      status = reply[i], size = reply:size(i), error = err and tostring(err),
    }
    if value then Bytes.put(slots[i], "value", tostring(value)) end
  end
  return slots
end


local function is_list(t)
  local n = 0
  for _ in pairs(t) do n = n + 1 end
  return n == #t and n > 0
end


-- A table that holds itself, or others again and again, would grow without bound.
local function is_too_much(t, depth, seen)
  if seen[t] then seen.again = seen.again + 1 end
  return depth > DEEPEST or seen[t] == "open" or seen.again > AGAIN
end


-- The metatable of what Json.list has marked.
local List = {}


--- Marks a table as a list, which it is when it is empty, too: [], not {}.
---@generic T
---@param t T[]
---@return T[]
function Json.list(t)
  return setmetatable(t, List)
end


local function table_of(t, depth, seen)
  if is_too_much(t, depth, seen) then return "..." end
  seen[t] = "open"
  local marked = getmetatable(t) == List
  local out, list = marked and Json.list {} or {}, marked or is_list(t)
  for key, value in pairs(t) do
    out[list and key or text_of(tostring(key))] = plain(value, depth + 1, seen)
  end
  seen[t] = "done"
  return out
end


plain = function(x, depth, seen)
  if x == nil then return cjson.null end
  if type(x) == "string" then return bytes(x) end
  if Value.is(x) then return bytes(tostring(x)) end
  if type(x) == "number" then
    return x == x and math.abs(x) < math.huge and x or tostring(x)
  end
  if type(x) == "boolean" or x == cjson.null then return x end
  if type(x) ~= "table" then return tostring(x) end
  if Error.is(x) then return { error = x.message, code = x.code, store = x.store } end
  if getmetatable(x) == Reply then return reply_slots(x) end
  if Store.is(x) then return { store = tostring(x.name) } end
  return table_of(x, depth, seen)
end


-- ---- writing plain data ----

local write


local function write_list(list)
  local parts = {}
  for i, x in ipairs(list) do parts[i] = write(x) end
  return "[" .. table.concat(parts, ",") .. "]"
end


-- In the order of the names: the same table is the same text each time.
local function write_object(object)
  local names, parts = {}, {}
  for name in pairs(object) do names[#names + 1] = name end
  table.sort(names)
  for i, name in ipairs(names) do
    parts[i] = cjson.encode(name) .. ":" .. write(object[name])
  end
  return "{" .. table.concat(parts, ",") .. "}"
end


write = function(x)
  if type(x) == "number" then return Number.exact(x) end
  if type(x) ~= "table" then return cjson.encode(x) end
  local list = getmetatable(x) == List or is_list(x)
  return list and write_list(x) or write_object(x)
end


--- encode writes anything as one line of JSON.
---@param x any
---@return string
function Json.encode(x)
  return write(plain(x, 0, { again = 0 }))
end


return Json
