-- Requests of an LLM service from a file in Mooncake's format: a JSON object a line
-- with hash_ids, the ids of the request's chunks. An id stands for its chunk and all
-- before it, so equal ids are equal prefixes. Empty lines are passed by.
local cjson = require "cjson"
local Error = require "weir.core.error"

local MOST = 2 ^ 53 -- the ids below it are exact


-- A bad trace is no mistake of the program's: the error shows no traceback.
local function fail(format, ...)
  error(Error.new("invalid", format:format(...)), 0)
end


local function read(path)
  local file, why = io.open(path)
  if not file then fail("%s", why) end
  local text
  text, why = file:read "*a"
  file:close()
  return text or fail("%s: %s", path, why)
end


-- The lines that say something, and which ones of the file they are.
local function lines_of(text)
  local lines, numbers, number = {}, {}, 0
  for line in text:gmatch "([^\n]*)\n?" do
    number = number + 1
    if line:find "%S" then
      lines[#lines + 1], numbers[#lines + 1] = line, number
    end
  end
  return lines, numbers
end


local function is_id(x)
  return type(x) == "number" and x >= 0 and x % 1 == 0 and x < MOST
end


-- The ids of a line, or nil and an error.
local function ids_of(line)
  local good, request = pcall(cjson.decode, line)
  if not good or type(request) ~= "table" then return nil, "it is no JSON object" end
  local ids = request.hash_ids
  if type(ids) ~= "table" then return nil, "hash_ids is missing, a list of numbers" end
  local n = 0
  for _, id in pairs(ids) do
    n = n + 1
    if not is_id(id) or ids[n] == nil then
      return nil, "hash_ids is a list of whole numbers, 0 or more"
    end
  end
  return ids
end


--- Returns an iterator of lists of chunk ids, and how many there are. Raises an error
--- with file and line when a line is no request.
---@param path string
---@return fun(): integer[]?, integer
return function(path)
  local lines, numbers = lines_of(read(path))
  local at = 0
  return function()
    at = at + 1
    if at > #lines then return nil end
    local ids, wrong = ids_of(lines[at])
    return ids or fail("%s:%d: not a request: %s", path, numbers[at], wrong)
  end, #lines
end
