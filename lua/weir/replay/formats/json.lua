-- replay/formats/json.lua: what the traces of LLM services have in common: a JSON
-- object a line, a request, with a list of the ids of its chunks. A line is read
-- without a decoder where that is possible: it takes a fraction of the time, and ids of
-- more than 53 bits keep their digits.
--
-- LuaJIT compiles no search for a pattern. So a line is read by plain searches as
-- services write it, with one blank or none between two parts, and by patterns where it
-- looks otherwise.

local cjson = require "cjson"
local ffi = require "ffi"
local Ring = require "weir.replay.formats.ring"

local Json = {}

local new_table = require "table.new"
local byte, find, sub = string.byte, string.find, string.sub
local cast, byte_ptr = ffi.cast, ffi.typeof "const uint8_t *"
local SPACE, COMMA, ZERO, NINE, COLON, OPEN, CLOSE_OBJECT = 32, 44, 48, 57, 58, 91, 125


-- The place behind the colon of a field and one blank. nil: the field is not there or
-- looks otherwise.
local function value_of(line, quoted)
  local _, stop = find(line, quoted, 1, true)
  if not stop or byte(line, stop + 1) ~= COLON then return nil end
  return byte(line, stop + 2) == SPACE and stop + 3 or stop + 2
end


-- ---- the list of ids ----

-- An id without the blanks and quotes around it; nil: there is only that.
local function bare(id)
  return id:match '^[ "]*(.-)[ "]*$'
end


-- Puts the ids between two places of a line into a list. Returns how many there are.
local function split(line, from, to, ids)
  local n = 0
  while from <= to do
    local stop = find(line, ",", from, true)
    local last = stop and stop <= to and stop - 1 or to
    if byte(line, from) == SPACE then from = from + 1 end
    local id = sub(line, from, last)
    local first, final = byte(id, 1), byte(id, -1)
    if not first or first <= COMMA or final <= COMMA then id = bare(id) end
    if id ~= "" then
      n = n + 1
      ids[n] = id
    end
    from = last + 2
  end
  return n
end


-- ---- ids as numbers ----

-- Most ids of a trace come again and again. The key of one that came is kept by its
-- number, so that it is not cut out of the line each time. The table has one place for
-- all ids that are equal modulo its size; the last one has it.
local PLACES = 65536
local known_id, known_key = ffi.new("double[?]", PLACES), new_table(PLACES, 0)
ffi.fill(known_id, ffi.sizeof(known_id), 0xff) -- not a number: equals no id

local MOST_DIGITS = 15 -- fewer than a double is exact for


local function key_of(line, id, from, to)
  local place = id % PLACES
  if known_id[place] == id then return known_key[place + 1] end
  local key = sub(line, from, to)
  known_id[place], known_key[place + 1] = id, key
  return key
end


-- What split does for a list of numbers as services write it. nil: something else is in
-- the list.
local function split_numbers(line, from, to, ids)
  local bytes, n, id, digits = cast(byte_ptr, line) - 1, 0, 0, 0
  for i = from, to + 1 do
    local c = i <= to and bytes[i] or COMMA
    if c >= ZERO and c <= NINE then
      id, digits = id * 10 + (c - ZERO), digits + 1
    elseif c == COMMA and digits > 0 and digits <= MOST_DIGITS
      and (digits == 1 or bytes[i - digits] ~= ZERO) then
      n = n + 1
      ids[n] = key_of(line, id, i - digits, i - 1)
      id, digits = 0, 0
    elseif c ~= SPACE or digits > 0 then
      return nil
    end
  end
  return n
end


-- Reads the ids of a line as texts. Returns how many; nil: the line has no list.
local function read_ids(line, field, ids)
  local open = value_of(line, field.quoted)
  if not open or byte(line, open) ~= OPEN then
    open = select(2, find(line, field.pattern))
    if not open then return nil end
  end
  local close = find(line, "]", open, true)
  if not close or byte(line, -1) ~= CLOSE_OBJECT then return nil end
  return split_numbers(line, open + 1, close - 1, ids)
    or split(line, open + 1, close - 1, ids)
end


-- ---- the time ----

local function read_time(line, field)
  local from = value_of(line, field.quoted)
  local first = from and byte(line, from)
  local stop = first and first >= ZERO and first <= NINE
    and find(line, ",", from, true)
  local time = stop and tonumber(sub(line, from, stop - 1))
  return time or tonumber(line:match(field.pattern))
end


-- ---- requests ----

-- What is wrong with a line that has no ids or no time.
local function complain(input, line, spec)
  local good, object = pcall(cjson.decode, line)
  if not good or type(object) ~= "table" then return input:bad_line "no JSON object" end
  if type(object[spec.list]) ~= "table" then
    return input:bad_line("no list " .. spec.list)
  end
  input:bad_line("no number " .. spec.time)
end


local function make_request()
  return { time = 0, op = "get", n = 0, keys = {}, tokens = 0 }
end


-- Fills a request. Returns whether the line is one.
local function parse(line, spec, request)
  local keys, before = request.keys, request.n
  local n = read_ids(line, spec.list_field, keys)
  for i = (n or 0) + 1, before do keys[i] = nil end
  request.n = n or 0
  local time = n and read_time(line, spec.time_field)
  if not time or time - time ~= 0 then return false end
  request.time, request.tokens = time * spec.unit, spec.tokens
  if spec.keys then request.tokens = spec.keys(line, keys, n) end
  return true
end


-- The fields as they are searched for.
local function prepare(spec)
  local list, time = '"' .. spec.list .. '"', '"' .. spec.time .. '"'
  spec.list_field = { quoted = list, pattern = list .. "%s*:%s*%[" }
  spec.time_field = { quoted = time, pattern = time .. '%s*:%s*"?([%-%d.eE+]+)' }
  return spec
end


--- The requests of a file. spec: list, time: names of fields; unit: seconds of one of
--- time; tokens: of one id; keys(line, ids, n): makes keys of the ids, in their list,
--- and returns the tokens. in_use: of Source.open.
function Json.requests(input, given, in_use)
  local spec = prepare(given)
  local ring = in_use and Ring.new(in_use, make_request)
  return function()
    local request = ring and ring:next() or make_request()
    while true do
      local line = input:read_line()
      if not line then return nil end
      if parse(line, spec, request) then return request end
      if line ~= "" then complain(input, line, spec) end
    end
  end
end


return Json
