-- Lines of values with commas between them. The first line names the columns, or
-- --columns does: a list for a file without names (time,key,op,size,ttl; - for what is
-- not used), or key=block_id,size=io_size for one with them. CacheLib's two kinds (kv,
-- block) and Twitter's are known by their columns. Numbers in op_count repeat a line.

local Ffi = require "weir.ffi"
local Ring = require "weir.replay.formats.ring"

local Csv = {
  name = "csv",
  help = "csv with named columns; CacheLib's and Twitter's are known",
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


-- Makes a function that puts the fields of a line that are of use into a table, and nil
-- for those that the line does not have. It has no loop: LuaJIT compiles a loop in a
-- loop apart from it, and the step between the two costs more than all the rest.
local function fields_reader(used, last)
  local lines = { "local find, sub = string.find, string.sub",
    "return function(line, fields)", "local from, stop = 1, nil" }
  for n = 1, last do
    lines[#lines + 1] = "stop = from and find(line, ',', from, true)"
    if used[n] then
      lines[#lines + 1] = "fields[" .. n .. "] = from and sub(line, from, stop and "
        .. "stop - 1 or -1)"
    end
    lines[#lines + 1] = "from = stop and stop + 1"
  end
  lines[#lines + 1] = "end"
  return assert(loadstring(table.concat(lines, "\n"), "=csv"))()
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


local function unknown(name)
  error(("--columns: there is no column %q%s"):format(name,
    Ffi.suggest(name, NAMES)), 0)
end


-- --columns as a list of what each column is, or as names to look for.
local function wanted(text)
  local list, map = {}, nil
  for word in text:gmatch "[^,]+" do
    local ours, theirs = word:match "^(%w+)=(.+)$"
    ours = ours or word
    if ours ~= "-" and not KNOWN[ours] then unknown(ours) end
    if theirs then
      map = map or {}
      map[theirs] = KNOWN[ours]
    else
      list[#list + 1] = ours == "-" and "-" or KNOWN[ours]
    end
  end
  return list, map
end


local function positions_of(list)
  local at, used, last = {}, {}, 0
  for i, name in ipairs(list) do
    if name ~= "-" and not at[name] then at[name], used[i], last = i, true, i end
  end
  at.fields, at.read = {}, fields_reader(used, last)
  if not at.key then error("csv: no column is the key; name it with --columns", 0) end
  return at
end


local function from_header(input, map)
  local list = {}
  for i, name in ipairs((split(input:read_line() or ""))) do
    list[i] = map and map[name] or not map and KNOWN[name:lower()] or "-"
  end
  return positions_of(list)
end


local function columns(input, text)
  local list, map
  if text then list, map = wanted(text) end
  if map then return from_header(input, map) end
  if list then return positions_of(list) end
  if is_twitter(input:head():match "^[^\r\n]*") then return positions_of(TWITTER) end
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


-- The request of a line, and how often it comes.
local function parse(input, at, line)
  local fields = at.fields
  at.read(line, fields)
  local key = fields[at.key]
  if not key or key == "" then return nil, input:bad_line "no key" end
  local op = "get"
  if at.op then
    op = known_ops[fields[at.op] or ""]
    if not op then
      return nil, input:bad_line(("%q is no operation"):format(fields[at.op] or ""))
    end
  end
  local time = at.time and tonumber(fields[at.time])
  if at.time and not time then return nil, input:bad_line "no time" end
  local ttl = at.ttl and tonumber(fields[at.ttl])
  local request = at.ring and at.ring:next() or make_request()
  request.time, request.op, request.keys[1] = time, op, key
  request.size = at.size and tonumber(fields[at.size]) or nil
  request.ttl = ttl and ttl > 0 and ttl or nil
  return request, at.count and tonumber(fields[at.count]) or 1
end


-- The next request of a file after a line that is none, and how often it comes.
local function read_on(input, at)
  local line = input:read_line()
  while line do
    if line ~= "" then
      local request, count = parse(input, at, line)
      if request then return request, count end
    end
    line = input:read_line()
  end
end


-- The usual case has no loop, so that LuaJIT compiles it into the loop of the caller.
local function read(input, at)
  local line = input:read_line()
  if line and line ~= "" then
    local request, count = parse(input, at, line)
    if request then return request, count end
  end
  if line then return read_on(input, at) end
end


function Csv.open(input, opts)
  local at = columns(input, opts and opts.columns)
  at.ring = opts and opts.in_use and Ring.new(opts.in_use, make_request)
  local request, left = nil, 0
  return function()
    if left > 0 then
      left = left - 1
      return request
    end
    local count
    request, count = read(input, at)
    if request and count ~= 1 then left = math.max(count, 1) - 1 end
    return request
  end, at.op ~= nil
end


return Csv
