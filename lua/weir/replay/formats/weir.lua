-- weir's own recording (policy/record.lua): the first line says so and names the
-- columns, then comes a line a key: time in seconds, the number of the batch, op, key
-- (%XX for what is no letter, digit or one of _-./:@), size, ttl, status and level.
-- Lines of one batch are one request.

local Limits = require "weir.replay.formats.limits"

local Weir = {
  name = "weir",
  help = "a recording of the word record",
  recorded = true,
}

--- The first line.
Weir.HEAD = "# weir recording 1: time,batch,op,key,size,ttl,status,level"


function Weir.detect(head)
  return head:sub(1, 17) == "# weir recording "
end


local function unescape(key)
  if not key:find("%", 1, true) then return key end
  return (key:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
end


local PATTERN = "^([%d.]+),(%d+),(%l+),([^,]*),(%d*),([%d.]*),(%l+),(%d*)$"

local function parse(input, line)
  local time, batch, op, key, size, ttl, status, level = line:match(PATTERN)
  local at, bytes, seconds = tonumber(time), tonumber(size), tonumber(ttl)
  if not at or bytes and bytes > Limits.size or ttl ~= "" and not seconds then
    return nil, input:bad_line "not a line of a recording"
  end
  return { time = at, batch = batch, op = op, key = unescape(key), size = bytes,
    ttl = seconds, status = status, level = tonumber(level) }
end


local function add(request, row)
  local n = request.n + 1
  -- The size of what was not found is not known.
  local known = row.op == "set" or row.status == "ok"
  request.n, request.keys[n] = n, row.key
  request.sizes[n], request.ttls[n] = known and row.size or false, row.ttl or false
  request.statuses[n] = row.status
end


local function next_row(input)
  while true do
    local line = input:read_line()
    if not line then return nil end
    if line ~= "" and line:sub(1, 1) ~= "#" then
      local row = parse(input, line)
      if row then return row end
    end
  end
end


function Weir.open(input)
  if not Weir.detect(input:head()) then
    error(input.path .. ": not a recording of weir", 0)
  end
  local row = next_row(input)
  return function()
    if not row then return nil end
    local first = row
    local request = { time = first.time, op = first.op, n = 0, keys = {}, sizes = {},
      ttls = {}, statuses = {} }
    while row and row.batch == first.batch and row.op == first.op do
      add(request, row)
      row = next_row(input)
    end
    return request
  end
end


return Weir
