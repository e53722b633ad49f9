-- replay/formats/json.lua: what the traces of LLM services have in common: a JSON
-- object a line, a request, with a list of the ids of its chunks.

local cjson = require "cjson"

local Json = {}


local function decode(input, line, spec)
  local good, object = pcall(cjson.decode, line)
  if not good or type(object) ~= "table" then
    return nil, input:bad_line "no JSON object"
  end
  if type(object[spec.list]) ~= "table" then
    return nil, input:bad_line("no list " .. spec.list)
  end
  local time = tonumber(object[spec.time])
  if not time then return nil, input:bad_line("no number " .. spec.time) end
  return object, time * spec.unit
end


-- Ids as texts. Numbers beyond 2^53 lose digits in a decoder, so the line is read.
local function texts(line, list)
  local body = line:match('"' .. list .. '"%s*:%s*%[([^%]]*)%]')
  local keys, n = {}, 0
  for id in (body or ""):gmatch '[^%s,"]+' do
    n = n + 1
    keys[n] = id
  end
  return keys, n
end


--- The requests of a file. spec: list, time: names of fields; unit: seconds of one of
--- time; tokens: of one id; keys(object, ids, n): makes keys of ids, as texts.
function Json.requests(input, spec)
  return function()
    while true do
      local line = input:read_line()
      if not line then return nil end
      local object, time
      if line ~= "" then object, time = decode(input, line, spec) end
      if object then
        local keys, n = texts(line, spec.list)
        local tokens = spec.tokens
        if spec.keys then keys, tokens = spec.keys(object, keys, n) end
        return { time = time, op = "get", n = n, keys = keys, tokens = tokens }
      end
    end
  end
end


return Json
