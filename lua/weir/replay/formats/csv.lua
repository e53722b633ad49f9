-- Lines of values with commas between them. The first line names the columns, or
-- --columns does: a list for a file without names (time,key,op,size,ttl; - for what is
-- not used), or key=block_id,size=io_size for one with them. CacheLib's two kinds (kv,
-- block) and Twitter's are known by their columns. Numbers in op_count repeat a line.

local ffi = require "ffi"
local Ffi = require "weir.ffi"
local Limits = require "weir.replay.formats.limits"
local Ring = require "weir.replay.formats.ring"

local C = Ffi.C
local Libc = Ffi.system(nil,
  [[const void *weir_csv_find(const void *, int, size_t) __asm__("memchr");]])
local cast, sub = ffi.cast, string.sub
local chars, COMMA = ffi.typeof "const char *", 44

local Csv = {
  name = "csv",
  help = "csv with named columns; CacheLib's and Twitter's are known",
  takes_columns = true,
}

-- What a column is called, by the name that files give it.
local KNOWN = {
  time = "time", op_time = "time", timestamp = "time",
  key = "key", block_id = "key", id = "key", obj_id = "key",
  op = "op", op_name = "op", operation = "op",
  size = "size", io_size = "size", value_size = "size", obj_size = "size",
  ttl = "ttl", op_count = "count",
}
local NAMES = { "time", "key", "op", "size", "ttl", "count" }
local TWITTER = { "time", "key", "-", "size", "-", "op", "ttl" }

-- What is done with a key, by the word without what follows a dot.
local OPS = {
  get = "get", gets = "get", get_lease = "get", getchunkdata = "get", read = "get",
  set = "set", set_lease = "set", add = "set", replace = "set", cas = "set",
  append = "set", prepend = "set", incr = "set", decr = "set", putchunk = "set",
  write = "set", put = "set", update = "set",
  delete = "delete", del = "delete", remove = "delete",
  exists = "exists", touch = "touch", stat = "stat",
}


local function split(line)
  local fields, n, from = {}, 0, 1
  while true do
    local at = line:find(",", from, true)
    n = n + 1
    fields[n] = line:sub(from, at and at - 1 or nil)
    if not at then return fields, n end
    from = at + 1
  end
end


local NOT_A_NUMBER = 0 / 0

-- The number in a part of a piece of the file, as tonumber reads it. nil: nothing or a
-- dash stands there; NaN: something else does.
local function number(piece, first, last)
  local x = C.weir_decimal(cast(chars, piece) + (first - 1), last - first + 1)
  if x == x then return x end
  local text = sub(piece, first, last)
  if text == "" or text == "-" then return nil end
  return tonumber(text) or NOT_A_NUMBER
end


-- The place of the next comma of a line, or nil.
local function comma(piece, first, last)
  local from = cast(chars, piece) + (first - 1)
  local at = Libc.weir_csv_find(from, COMMA, last - first + 1)
  if at ~= nil then return first + (cast(chars, at) - from) end
end


-- What is made of a field, by the name of its column.
local READS = { time = "number", size = "number", ttl = "number", count = "number",
  key = "sub", op = "sub" }


-- Makes a function that puts the fields of a line that are of use into a table by name,
-- and nil for those that the line does not have. names: of the columns, false for those
-- that are not used. It has no loop: LuaJIT compiles a loop in a loop apart from it,
-- and the step between the two costs more than all the rest.
local function fields_reader(names)
  local lines = { "local number, comma, sub = ...",
    "return function(piece, from, last, fields)", "local stop" }
  for _, name in ipairs(names) do
    lines[#lines + 1] = "stop = from and comma(piece, from, last)"
    if name then
      lines[#lines + 1] = ("fields.%s = from and %s(piece, from, stop and stop - 1 "
        .. "or last)"):format(name, READS[name])
    end
    lines[#lines + 1] = "from = stop and stop + 1"
  end
  lines[#lines + 1] = "end"
  return assert(loadstring(table.concat(lines, "\n"), "=csv"))(number, comma, sub)
end


local function is_twitter(line)
  local fields, n = split(line)
  return n == 7 and tonumber(fields[1]) and OPS[fields[6]:lower()] ~= nil
end


function Csv.detect(head)
  local line = head:match "^[^\r\n]*"
  if line:find "[%z\1-\8]" then return false end
  if is_twitter(line) then return true end
  for _, name in ipairs((split(line))) do
    if KNOWN[name:lower()] == "key" then return true end
  end
  return false
end


-- --columns as a list of what each column is, or as names to look for.
local function wanted(text)
  local list, map = {}, nil
  for word in text:gmatch "[^,]+" do
    local ours, theirs = word:match "^(%w+)=(.+)$"
    ours = ours or word
    if theirs then
      map = map or {}
      map[theirs] = KNOWN[ours]
    else
      list[#list + 1] = ours == "-" and "-" or KNOWN[ours]
    end
  end
  return list, map
end


--- true, or nil and a sentence: --columns has a word that is no column.
---@param text string
function Csv.check_columns(text)
  for word in text:gmatch "[^,]+" do
    local name = word:match "^(%w+)=.+$" or word
    if name ~= "-" and not KNOWN[name] then
      return nil, ("there is no column %q%s"):format(name, Ffi.suggest(name, NAMES))
    end
  end
  return true
end


-- What reads lines: has (the places of the columns, by name), read, fields.
local function reader_of(list)
  local has, names, last = {}, {}, 0
  for i, name in ipairs(list) do
    names[i] = name ~= "-" and not has[name] and name
    if names[i] then has[name], last = i, i end
  end
  for i = last + 1, #names do names[i] = nil end
  if not has.key then error("csv: no column is the key; name it with --columns", 0) end
  return { has = has, read = fields_reader(names), fields = {} }
end


local function from_header(input, map)
  local list = {}
  for i, name in ipairs((split(input:read_line() or ""))) do
    list[i] = map and map[name] or not map and KNOWN[name:lower()] or "-"
  end
  return reader_of(list)
end


local function columns(input, text)
  local list, map
  if text then
    local good, why = Csv.check_columns(text)
    if not good then error("--columns: " .. why, 0) end
    list, map = wanted(text)
  end
  if map then return from_header(input, map) end
  if list then return reader_of(list) end
  if is_twitter(input:head():match "^[^\r\n]*") then return reader_of(TWITTER) end
  return from_header(input, nil)
end


-- The operations by the words that stand in the file, as they come.
local known_ops = setmetatable({}, { __index = function(known, text)
  local op = OPS[text:lower():match "^[%w_]*"] or false
  rawset(known, text, op)
  return op
end })


local function make_request()
  return { n = 1, op = "", keys = { "" }, time = 0, size = 0, ttl = 0 }
end


local MOST_SIZE, MOST_TTL, MOST_COUNT = Limits.size, Limits.ttl, Limits.count

-- Whether a line does not have a number, or one between these. NaN is not between any.
local function none_or_within(x, least, most)
  return not x or x >= least and x <= most
end


local EXPECTED = {
  size = "a number of bytes, at most 1 TiB",
  time = "a number",
  ttl = ("a number of seconds, at most %d"):format(MOST_TTL),
  count = ("a number, at most %d"):format(MOST_COUNT),
}

-- The name of a number of a line that cannot be, or nil.
local function wrong_number(fields)
  return not none_or_within(fields.size, 0, MOST_SIZE) and "size"
    or not none_or_within(fields.time, -2 ^ 63, 2 ^ 63) and "time"
    or not none_or_within(fields.ttl, -math.huge, MOST_TTL) and "ttl"
    or not none_or_within(fields.count, 0, MOST_COUNT) and "count"
    or nil
end


-- The request of a line, and how often it comes.
local function parse(input, reader, piece, first, last)
  local fields, has = reader.fields, reader.has
  reader.read(piece, first, last, fields)
  local key = fields.key
  if not key or key == "" then return nil, input:bad_line "no key" end
  local op = "get"
  if has.op then
    op = known_ops[fields.op or ""]
    if not op then
      return nil, input:bad_line(("%q is no operation"):format(fields.op or ""))
    end
  end
  local wrong = wrong_number(fields)
  if wrong then
    local text = split(sub(piece, first, last))[has[wrong]]
    return nil, input:bad_line(("the %s is %q: expected %s"):format(
      wrong == "count" and "op_count" or wrong, text, EXPECTED[wrong]))
  end
  if has.time and not fields.time then return nil, input:bad_line "no time" end
  local ttl = fields.ttl
  local request = reader.ring and reader.ring:next() or make_request()
  request.time, request.op, request.keys[1] = fields.time, op, key
  request.size = fields.size
  request.ttl = ttl and ttl > 0 and ttl or nil
  return request, has.count and fields.count or 1
end


-- The next request of a file after a line that is none, and how often it comes.
local function read_on(input, reader)
  local piece, first, last = input:next_line()
  while piece do
    if last >= first then
      local request, count = parse(input, reader, piece, first, last)
      if request then return request, count end
    end
    piece, first, last = input:next_line()
  end
end


-- The usual case has no loop, so that LuaJIT compiles it into the loop of the caller.
local function read(input, reader)
  local piece, first, last = input:next_line()
  if piece and last >= first then
    local request, count = parse(input, reader, piece, first, last)
    if request then return request, count end
  end
  if piece then return read_on(input, reader) end
end


function Csv.open(input, opts)
  local reader = columns(input, opts and opts.columns)
  reader.ring = opts and opts.in_use and Ring.new(opts.in_use, make_request)
  local request, left = nil, 0
  return function()
    if left > 0 then
      left = left - 1
      return request
    end
    local count
    request, count = read(input, reader)
    if request and count ~= 1 then left = math.max(count, 1) - 1 end
    return request
  end, reader.has.op ~= nil, reader.has.ttl ~= nil
end


return Csv
