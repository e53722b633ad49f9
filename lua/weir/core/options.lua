-- core/options.lua: checks the options that verbs take as their last argument, by one
-- table. Used by request.lua and the verbs.

local Ffi = require "weir.ffi"
local Host = require "weir.host"
local Op = require "weir.core.op"
local Quantity = require "weir.core.quantity"

---@alias weir.Seconds number|string seconds, or a text such as "50ms" or "10m"

local Options = {}

-- Each check returns the value to use or nil, and what is expected.
local function duration(x)
  if type(x) == "string" then x = Quantity.seconds(x) end
  local good = type(x) == "number" and x > 0 and x < math.huge
  return good and x or nil, "a time over 0, seconds or a text like \"50ms\" or \"10m\""
end

-- How long close waits: 0, too.
local function patience(x)
  if type(x) == "string" then x = Quantity.seconds(x) end
  local good = type(x) == "number" and x >= 0 and x < math.huge
  return good and x or nil, "a time, seconds or a text like \"50ms\" or \"10m\""
end

local function clock(x)
  return type(x) == "number" and x == x and x or nil,
    "a time of the host's clock in seconds"
end

local function boolean(x)
  if type(x) ~= "boolean" then x = nil end
  return x, "true or false"
end

-- fetch, flush, sweep and close are verbs and no ops.
local ALL, SETS = { fetch = true }, { fetch = true }
local TIMED = { fetch = true, flush = true }
for _, name in ipairs(Op.list) do
  ALL[name], SETS[name], TIMED[name] = true, Op.sends[name], true
end
SETS.incr = true

-- The one table: the options of verbs, what each must be, and which ops take it. Those
-- without a check are checked where they are used (scan.lua).
local ROWS = {
  { "timeout", check = duration, ops = TIMED, takes = "time",
    help = "longest time the call may take" },
  { "deadline", check = clock, ops = ALL, takes = "number",
    help = "when the call must end, on the host's clock (weir.now)" },
  { "ttl", check = duration, ops = SETS, takes = "time",
    help = "time to live of the value" },
  { "neg_ttl", check = duration, ops = { fetch = true }, takes = "time",
    help = "how long the loader's nil is remembered; default: not at all" },
  { "stale_while", check = duration, ops = { fetch = true }, takes = "time",
    help = "how long a value past its ttl is served at once, while one task loads" },
  { "stale_if_error", check = duration, ops = { fetch = true }, takes = "time",
    help = "how long a value past its ttl is served when the loader fails" },
  { "prefix", check = boolean, ops = Op.lookups, takes = "boolean",
    help = "only the values before the first miss of the list are needed" },
  { "prefix", ops = { scan = true }, takes = "string",
    help = "only keys that begin so" },
  { "limit", ops = { scan = true }, takes = "integer, from 1",
    help = "at most so many keys" },
  { "page", ops = { scan = true }, takes = "integer, from 1", default = "512",
    help = "how many keys are asked for at once" },
  { "older", check = duration, ops = { sweep = true }, takes = "time", default = "1h",
    help = "only pieces of values that were set so long ago" },
  { "timeout", check = patience, ops = { close = true }, takes = "time",
    default = "5s",
    help = "how long requests in flight may take to finish" },
  { "drop", check = boolean, ops = { close = true }, takes = "boolean",
    default = "false",
    help = "end what is in flight at once" },
}

-- The rows with a check, by op and name, and the names of all of them.
local OPTIONS, NAMES, named = {}, {}, {}
for _, row in ipairs(ROWS) do
  local name = row[1]
  for op in pairs(row.check and row.ops or {}) do
    OPTIONS[op] = OPTIONS[op] or {}
    OPTIONS[op][name] = row
    if not named[name] then NAMES[#NAMES + 1] = name end
    named[name] = true
  end
end


--- The options of an op (or of "close"): { name, help, takes, default } each.
---@param op string
---@return table[]
function Options.of(op)
  local list = {}
  for _, row in ipairs(ROWS) do
    if row.ops[op] then
      list[#list + 1] = { name = row[1], help = row.help, takes = row.takes,
        default = row.default }
    end
  end
  return list
end


local function refuse(name, expected, x, level)
  local given = type(x) == "string" and ("%q"):format(x) or tostring(x)
  -- All quantities among the options are times.
  local excess = expected:find "^a time" and Quantity.excess(x, Quantity.seconds) or ""
  error(("%s must be %s, not %s%s"):format(name, expected, given, excess), level + 1)
end


local function check(op, opts, level)
  if type(opts) ~= "table" then
    error(("options are a table, not a %s"):format(type(opts)), level + 1)
  end
  for name, value in pairs(opts) do
    local option = OPTIONS[op][name]
    if not option then
      error(("%s has no option %q%s"):format(op, tostring(name),
        named[name] and "" or Ffi.suggest(name, NAMES)), level + 1)
    end
    local good, expected = option.check(value)
    if good == nil then refuse(name, expected, value, level + 1) end
  end
end


--- Puts a caller's options into a request; errors point `level` frames up. Of timeout
--- and deadline the nearer one counts.
function Options.apply(req, opts, level)
  check(req.op, opts, level + 1)
  req.ttl, req.prefix, req.deadline = opts.ttl, opts.prefix, opts.deadline
  if type(req.ttl) == "string" then req.ttl = duration(req.ttl) end
  if opts.timeout then
    local by = Host.now() + duration(opts.timeout)
    req.deadline = math.min(req.deadline or by, by)
  end
end


--- The options of a verb that is no op: checked, times in seconds. Errors point
--- `level` frames up.
---@return table
function Options.read(op, opts, level)
  check(op, opts, level + 1)
  local read = {}
  for name, x in pairs(opts) do read[name] = (OPTIONS[op][name].check(x)) end
  return read
end


--- The seconds of a duration as verbs accept it (5, "5s"); nil for nil. Otherwise an
--- error that calls it `name`, `level` frames up.
function Options.seconds(name, x, level)
  if x == nil then return nil end
  local seconds, expected = duration(x)
  if not seconds then refuse(name, expected .. ", or nil", x, level + 1) end
  return seconds
end


return Options
