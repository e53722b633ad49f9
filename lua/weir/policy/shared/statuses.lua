-- policy/shared/statuses.lua: reads an option that is a list of error statuses. Used by
-- retry, breaker, failover.

local Arguments = require "weir.policy.shared.arguments"
local Ffi = require "weir.ffi"
local status = require "weir.core.status"

local Statuses = {}

local ERRORS = {}
for _, name in ipairs(status.names) do
  if status.class[name] == "error" then ERRORS[#ERRORS + 1] = name end
end


--- The set of some error statuses. x: a list of them, or one. what: the option.
function Statuses.errors(x, what)
  local set = {}
  for _, name in ipairs(type(x) == "table" and x or { x }) do
    if status.class[name] ~= "error" then
      error(("%s is a list of error statuses, not %s%s"):format(what,
        Arguments.show(name), Ffi.suggest(name, ERRORS)), 0)
    end
    set[name] = true
  end
  return set
end


return Statuses
