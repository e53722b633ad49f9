-- policy/shared/own_memory.lua: the memories that a word opens by itself. Used by quota
-- and pin. Under a replay they are models, as all stores of the file are.

local Arguments = require "weir.policy.shared.arguments"
local Native = require "weir.native"
local Opener = require "weir.core.opener"
local Quantity = require "weir.core.quantity"

local Own = {}


--- What opens a memory for a word that is being made: open(options).
---@return fun(options: table): weir.Store
function Own.opener()
  return Opener.find "memory" or function(options)
    return Native.open("memory", options)
  end
end


--- Raises what is wrong with the options of a memory. what: whose they are.
---@param options table
---@param what string
function Own.check(options, what)
  local ok, store = pcall(Native.open, "memory", options)
  if not ok then error(what .. ": " .. tostring(store), 0) end
  store:close()
end


--- The capacity of a memory in bytes.
---@param x number|string
---@param what string
function Own.bytes(x, what)
  local bytes = type(x) == "string" and Quantity.size(x) or tonumber(x)
  if bytes then return bytes end
  error(("%s is a size such as \"1GiB\", not %s%s"):format(what, Arguments.show(x),
    Quantity.excess(x, Quantity.size)), 0)
end


return Own
