-- policy/shared/quorum.lua: says in an error how many copies of a write there are, when
-- they are too few. Used by mirror and by shard with replicas.

local status = require "weir.core.status"

local Quorum = {}


--- Slot i was written to so many of n stores, and `wanted` of them must have it: an
--- error there says so before what one of the others said.
function Quorum.explain(reply, i, name, written, n, wanted)
  if status.class[reply[i]] ~= "error" then return end
  reply:note("messages", i, ("%s: %d of %d copies written, %d wanted: %s"):format(name,
    written, n, wanted, tostring(reply:error(i))))
end


return Quorum
