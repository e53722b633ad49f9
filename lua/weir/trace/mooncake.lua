-- Requests of an LLM service from a file in Mooncake's format: a JSON object a line
-- with hash_ids, the ids of the request's chunks. An id stands for its chunk and all
-- before it, so equal ids are equal prefixes.
local cjson = require "cjson"


--- Returns an iterator of lists of chunk ids, and how many there are; raises, with
--- file and line, when a line is no request.
---@param path string
---@return fun(): integer[]?, integer
return function(path)
  local lines, count = {}, 0
  for line in assert(io.open(path)):lines() do
    count = count + 1
    lines[count] = line
  end
  local at = 0
  return function()
    at = at + 1
    if at > count then
      return nil
    end
    local good, request = pcall(cjson.decode, lines[at])
    if not good or type(request) ~= "table" or type(request.hash_ids) ~= "table" then
      error(("%s:%d: not a request with hash_ids"):format(path, at), 0)
    end
    return request.hash_ids
  end, count
end
