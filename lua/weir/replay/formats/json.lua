-- replay/formats/json.lua: what the traces of LLM services have in common: a JSON
-- object a line, a request, with a list of the ids of its chunks. A line is read
-- without a decoder where that is possible: it takes a third of the time, and ids of
-- more than 53 bits keep their digits.

local cjson = require "cjson"
local ffi = require "ffi"

local Json = {}

local bytes = ffi.typeof "const uint8_t *"
local ffi_string = ffi.string
local COMMA, SPACE, QUOTE = 44, 32, 34


local function is_between(byte)
  return byte == SPACE or byte == COMMA or byte == QUOTE
end


-- The texts between two places of a line: what commas separate, without blanks and
-- quotes.
local function split(line, from, to)
  local at, keys, n = ffi.cast(bytes, line), {}, 0
  local i = from - 1
  while i < to do
    while i < to and is_between(at[i]) do i = i + 1 end
    local first = i
    while i < to and not is_between(at[i]) do i = i + 1 end
    if i > first then
      n = n + 1
      keys[n] = ffi_string(at + first, i - first)
    end
  end
  return keys, n
end


-- The list of ids of a line, as texts; nil: there is none.
local function ids_of(line, list)
  local _, open = line:find('"' .. list .. '"%s*:%s*%[')
  if not open then return nil end
  local close = line:find("]", open, true)
  if not close or line:byte(-1) ~= 125 then return nil end
  return split(line, open + 1, close - 1)
end


-- What is wrong with a line that has no ids or no time.
local function complain(input, line, spec)
  local good, object = pcall(cjson.decode, line)
  if not good or type(object) ~= "table" then return input:bad_line "no JSON object" end
  if type(object[spec.list]) ~= "table" then
    return input:bad_line("no list " .. spec.list)
  end
  input:bad_line("no number " .. spec.time)
end


--- The requests of a file. spec: list, time: names of fields; unit: seconds of one of
--- time; tokens: of one id; keys(line, ids, n): makes keys of ids, and says the tokens.
function Json.requests(input, spec)
  local time_of = '"' .. spec.time .. '"%s*:%s*"?([%-%d.eE+]+)'
  return function()
    while true do
      local line = input:read_line()
      if not line then return nil end
      local keys, n = ids_of(line, spec.list)
      local time = keys and tonumber(line:match(time_of))
      if time then
        local tokens = spec.tokens
        if spec.keys then keys, tokens = spec.keys(line, keys, n) end
        return { time = time * spec.unit, op = "get", n = n, keys = keys,
          tokens = tokens }
      end
      if line ~= "" then complain(input, line, spec) end
    end
  end
end


return Json
