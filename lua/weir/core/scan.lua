-- core/scan.lua: the iterator behind store:scan. It runs one request for each bounded
-- page, so a policy over the store (a timeout, a retry) acts on each page. Policies
-- over several stores have scans of their own.

local ffi = require "ffi"
local Ffi = require "weir.ffi"
local Options = require "weir.core.options"
local Request = require "weir.core.request"

local entry_ptr = ffi.typeof "const struct weir_scan_entry *"
local HEAD = ffi.sizeof "struct weir_scan_entry"
local UNKNOWN = 0xffffffffffffffffULL

local PAGE = 512

local OPTIONS = {}
for i, option in ipairs(Options.of "scan") do OPTIONS[i] = option.name end


local function whole(opts, name, default, level)
  local x = opts[name]
  if x == nil then return default end
  if type(x) ~= "number" or x < 1 or x % 1 ~= 0 then
    error(("%s must be a whole number over 0, not %s"):format(name, tostring(x)),
      level + 1)
  end
  return x
end


local function check(opts, level)
  if type(opts) ~= "table" then
    error(("options are a table, not a %s"):format(type(opts)), level + 1)
  end
  for name in pairs(opts) do
    local known = false
    for _, option in ipairs(OPTIONS) do known = known or option == name end
    if not known then
      error(("scan has no option %q%s"):format(tostring(name),
        Ffi.suggest(name, OPTIONS)), level + 1)
    end
  end
  if opts.prefix ~= nil and type(opts.prefix) ~= "string" then
    error("prefix must be a string, not " .. tostring(opts.prefix), level + 1)
  end
end


local function known(x)
  return x ~= UNKNOWN and tonumber(x) or nil
end


-- The entry at an offset of a page: its key, facts, and where the next one is.
local function entry(page, offset)
  local head = ffi.cast(entry_ptr, page.data + offset)
  local key = ffi.string(page.data + offset + HEAD, head.key_len)
  local ttl = known(head.ttl_ms)
  local info = { size = known(head.size), ttl = ttl and ttl > 0 and ttl / 1000 or nil }
  return key, info, offset + HEAD + math.ceil(head.key_len / 8) * 8
end


--- An iterator of key, { size, ttl } over a store.
return function(store, opts, level)
  check(opts, level + 1)
  local left = whole(opts, "limit", math.huge, level + 1)
  local size = whole(opts, "page", PAGE, level + 1)
  local times = { timeout = opts.timeout, deadline = opts.deadline }
  local prefix = opts.prefix or ""
  local page, offset, cursor = nil, 0, nil

  local function turn()
    local req = Request.one("scan", prefix, times, 2)
    req.page, req.cursors = math.min(size, left), { cursor }
    local reply = store:run(req)
    if reply[1] ~= "ok" then error(reply:error(1) or "the scan went wrong", 0) end
    page, offset, cursor = reply:take(1), 0, reply.cursors and reply.cursors[1]
  end

  return function()
    if left == 0 then return nil end
    while not page or offset >= #page do
      if page and not cursor then return nil end
      turn()
    end
    local key, info
    key, info, offset = entry(page, offset)
    left = left - 1
    return key, info
  end
end
