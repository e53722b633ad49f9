-- serve/environment.lua: the environment of this process, as a list.

local ffi = require "ffi"
local Ffi = require "weir.ffi"

local Environ = Ffi.system(nil, [[extern char **weir_environ __asm__("environ");]])

local Environment = {}


--- An iterator over the variables: the name, and the whole line NAME=value.
function Environment.each()
  local at = -1
  return function()
    at = at + 1
    if Environ.weir_environ[at] == nil then return nil end
    local line = ffi.string(Environ.weir_environ[at])
    return line:match "^[^=]*", line
  end
end


return Environment
