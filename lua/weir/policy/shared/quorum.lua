-- policy/shared/quorum.lua: says in an error how many copies of a write were made, when
-- they are too few. Used by mirror and by shard with replicas.

local status = require "weir.core.status"

local Quorum = {}


--- Adds to the error of slot i that `written` of n stores have the value and `wanted`
--- must have it.
function Quorum.explain(reply, i, name, written, n, wanted)
  if status.class[reply[i]] ~= "error" then return end
  reply:note("messages", i, ("%s: %d of %d copies written, %d wanted: %s"):format(name,
    written, n, wanted, tostring(reply:error(i))))
end


return Quorum
