-- policy/shared/answered.lua: notes which store answered, for reply:level(). Used by
-- failover and mirror.

local status = require "weir.core.status"

local Answered = {}


--- Notes that child `at` gave the good answers of a reply. It replaces the levels of a
--- tier below. Returns the reply.
function Answered.by(reply, at)
  reply.levels = nil
  if at == 1 then return reply end
  for i = 1, reply.n do
    if status.class[reply[i]] == "good" then reply:note("levels", i, at) end
  end
  return reply
end


return Answered
