-- l2/limits.lua: the options of a task of the L2 adapter. Used by l2.lua.

local Ffi = require "weir.ffi"
local Options = require "weir.core.options"

local Limits = {}

local NAMES = { "timeout" }


--- The timeout among a task's options, or `default`. Errors point `level` frames up.
---@param opts { timeout: weir.Seconds? }?
function Limits.timeout(opts, default, level)
  if opts == nil then return default end
  if type(opts) ~= "table" then
    error(("options are a table, not a %s"):format(type(opts)), level + 1)
  end
  for name in pairs(opts) do
    if name ~= "timeout" then
      error(("a task has no option %q%s"):format(tostring(name),
        Ffi.suggest(name, NAMES)), level + 1)
    end
  end
  return Options.seconds("timeout", opts.timeout, level + 1) or default
end


--- The options among the arguments behind a lookup's keys. LMCache's newest signature
--- has the layouts of the groups there: lists or objects that weir does not use. A
--- table with the name of an option, or nearly such a name, is the options.
function Limits.of_lookup(second, third)
  if third ~= nil or type(second) ~= "table" then return third end
  if second.timeout ~= nil then return second end
  for name in pairs(second) do
    if Ffi.suggest(name, NAMES) ~= "" then return second end
  end
  return nil
end


return Limits
