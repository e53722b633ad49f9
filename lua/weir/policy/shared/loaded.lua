-- policy/shared/loaded.lua: calls a user's function that loads values, and checks what
-- it returns. Used by origin and by the verb fetch.
--
-- The function gets a list of keys and returns a table of values by key. A key without
-- a value is absent. Further results:
--     return values, errors      errors: a sentence by key, for keys that failed
--     return nil, "why"          all keys failed
-- An error that it raises fails all keys.

local Bytes = require "weir.core.bytes"
local host = require "weir.host"
local Value = require "weir.core.value"

local Loaded = {}


local function same_for_all(keys, why)
  local errors = {}
  for i = 1, #keys do errors[i] = why end
  return {}, errors
end


-- The sentence of an error, which may be any object.
local function sentence(what, why)
  return ("%s: %s"):format(what, tostring(why == nil and "it failed" or why))
end


-- Why these are no results; nil: they may be.
local function mistake(values, errors)
  if type(values) ~= "table" then
    return "it must return a table of values by key, not " .. Value.describe(values)
  end
  if type(next(values)) == "number" then
    return "it must return values by key, { [key] = value }, not a list"
  end
  if errors ~= nil and type(errors) ~= "table" then
    return "its second result must be a table of errors by key, not "
      .. Value.describe(errors)
  end
end


local function check(what, keys, values, errors)
  local why = mistake(values, errors)
  if why then return same_for_all(keys, sentence(what, why)) end
  local good, failed = {}, {}
  for i, key in ipairs(keys) do
    local fault = errors and errors[key]
    if fault then
      failed[i] = sentence(what, fault)
    elseif values[key] ~= nil then
      local fine, value = pcall(Bytes.value, values[key], -1)
      if fine then good[i] = value else failed[i] = sentence(what, value) end
    end
  end
  return good, failed
end


local function results(what, keys, ok, values, errors)
  if not ok then
    if values == host.KILLED then error(values, 0) end
    return same_for_all(keys, sentence(what, values))
  end
  if values == nil then return same_for_all(keys, sentence(what, errors)) end
  return check(what, keys, values, errors)
end


--- Calls fn(keys, ...). what: who calls it, for messages. Returns the values and the
--- sentences of errors, both by slot. A slot that has neither is absent.
---@param what string
---@param fn function
---@param keys string[]
---@return table<integer, string|weir.Value> values, table<integer, string> errors
function Loaded.call(what, fn, keys, ...)
  return results(what, keys, pcall(fn, keys, ...))
end


return Loaded
