-- core/error.lua: the second result of a verb that fails. It prints as its message and
-- is fit for assert and error. weir never raises it for a failure of the outside world.
-- Misuse raises a plain string at the caller.

local status = require "weir.core.status"

---@class weir.Error
---@field code string       the status: "timeout", "unavailable", ...
---@field message string    a sentence for people, with the store's name
---@field store string?     the store that said so
---@field retryable boolean another try may help
---@field size number?      with "toobig" of get_into: the true size
local Error = {}
Error.__index = Error


--- Makes an error of a status.
---@param code string the name of a status
---@param message string? default: a phrase for the status
---@param store string? the store's name
---@return weir.Error
function Error.new(code, message, store)
  if not status.class[code] then
    error(("no status is called %q"):format(tostring(code)), 2)
  end
  if not message then
    message = (store and store .. ": " or "") .. status.phrase(code)
  end
  return setmetatable({
    code = code,
    message = message,
    store = store,
    retryable = status.retry[code] ~= "no",
  }, Error)
end


--- Whether something is a weir error.
---@param x any
---@return boolean
function Error.is(x)
  return getmetatable(x) == Error
end


function Error:__tostring()
  return self.message
end


function Error.__concat(a, b)
  return tostring(a) .. tostring(b)
end


return Error
