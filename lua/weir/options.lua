-- options.lua: the options that verbs take as their last argument, checked by one
-- table. Used by request.lua and the verbs.

local Ffi = require "weir.ffi"
local Host = require "weir.host"

local Options = {}

local function positive(x)
  return type(x) == "number" and x > 0 and x < math.huge, "a number of seconds over 0"
end

local function seconds(x)
  return type(x) == "number" and x == x, "a time of the host's clock in seconds"
end

local function boolean(x)
  return type(x) == "boolean", "true or false"
end

local READS = { get = true, exists = true }
local WRITES = { set = true }

-- The one table of checks: what each option of a verb must be, and whose it is.
local OPTIONS = {
  timeout = { check = positive },
  deadline = { check = seconds },
  ttl = { check = positive, ops = WRITES },
  prefix = { check = boolean, ops = READS },
}

local NAMES = { "timeout", "deadline", "ttl", "prefix" }


local function check(op, opts, level)
  if type(opts) ~= "table" then
    error(("options are a table, not a %s"):format(type(opts)), level + 1)
  end
  for name, value in pairs(opts) do
    local option = OPTIONS[name]
    if not option or option.ops and not option.ops[op] then
      error(("%s has no option %q%s"):format(op, tostring(name),
        option and "" or Ffi.suggest(name, NAMES)), level + 1)
    end
    local good, expected = option.check(value)
    if not good then
      error(("%s must be %s, not %s"):format(name, expected, tostring(value)),
        level + 1)
    end
  end
end


--- Puts a caller's options into a request; errors point `level` frames up. Of
--- timeout and deadline the nearer counts.
function Options.apply(req, opts, level)
  check(req.op, opts, level + 1)
  req.ttl, req.prefix, req.deadline = opts.ttl, opts.prefix, opts.deadline
  if opts.timeout then
    local by = Host.now() + opts.timeout
    req.deadline = math.min(req.deadline or by, by)
  end
end


--- Checks the time to live that touch takes.
function Options.check_ttl(ttl, level)
  if ttl == nil or positive(ttl) then return end
  error(("a time to live is a number of seconds over 0, or nil for ever, not %s")
    :format(tostring(ttl)), level + 1)
end


return Options
