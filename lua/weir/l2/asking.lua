-- l2/asking.lua: sends the request of an L2 task to a store, and sorts the reply by
-- status. Used by l2.lua.

local Bitmap = require "weir.l2.bitmap"
local Reply = require "weir.core.reply"

local Asking = {}


--- A verb's reply. An error that the verb raises becomes the status of every slot, so
--- that every task ends with a result.
---@param verb string one of the *_many
---@param objects table? what goes with the keys
---@param timeout number? seconds
function Asking.ask(store, verb, keys, objects, timeout)
  local limits = timeout and { timeout = timeout } or nil
  local good, reply
  if objects then
    good, reply = pcall(store[verb], store, keys, objects, limits)
  else
    good, reply = pcall(store[verb], store, keys, limits)
  end
  if good then return reply end
  local failed = Reply.new(#keys)
  for i = 1, #keys do failed:set(i, "failed", { message = tostring(reply) }) end
  return failed
end


--- The keys of the slots with a status, and measure(i) of each.
function Asking.select(keys, reply, status, measure)
  local some, sizes = {}, {}
  for i, key in ipairs(keys) do
    if reply[i] == status then
      some[#some + 1] = key
      sizes[#sizes + 1] = measure and measure(i)
    end
  end
  return some, sizes
end


--- A bitmap of the slots that are "ok".
function Asking.good(reply)
  local bitmap = Bitmap.new(#reply)
  for i = 1, #reply do
    if reply[i] == "ok" then bitmap:set(i) end
  end
  return bitmap
end


return Asking
