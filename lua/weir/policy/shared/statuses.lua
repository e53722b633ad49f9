-- policy/shared/statuses.lua: reads an option that is a list of statuses. Used by
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


--- What a failover goes on after: { name, set }. x: "error", for all errors; "miss",
--- for misses, too; or a list of error statuses, and perhaps "miss".
function Statuses.failures(x, what)
  local list, set = type(x) == "table" and x or { x }, {}
  if x == "error" or x == "miss" then
    set = Statuses.errors(ERRORS, what)
    set.miss = x == "miss" or nil
    return { name = x, set = set }
  end
  local names = {}
  for i, name in ipairs(list) do
    if name == "miss" then
      set.miss = true
    else
      set[name] = Statuses.errors(name, what)[name]
    end
    names[i] = name
  end
  return { name = table.concat(names, ", "), set = set }
end


return Statuses
