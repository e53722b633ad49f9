-- policy/retry/doubt.lua: the reply to a write of which one attempt had no answer. That
-- attempt may have been applied, whatever a later one says. Used by retry.
--
-- A later delete that finds nothing is ok, since the first attempt may have removed the
-- value. Its slot is marked in reply.maybe: the key is gone, but whether there was a
-- value is not known. A later skipped, busy or unavailable means "not applied", so it
-- does not replace the first timeout or reset.

local Op = require "weir.core.op"
local status = require "weir.core.status"

local Doubt = {}

--- The slots of a write that may have been applied, as a set.
function Doubt.of(req, reply, slots)
  local doubt = {}
  for _, i in ipairs(Op.writes[req.op] and slots or {}) do
    if status.applied[reply[i]] == "maybe" then doubt[i] = true end
  end
  return doubt
end


--- Puts the answers of another attempt for some slots into the reply.
function Doubt.settle(req, reply, second, slots, doubt)
  for j, i in ipairs(slots) do
    local name = second[j]
    if doubt[i] and status.retry[name] == "any" then
      reply:note("open", i, second.open and second.open[j])
    else
      reply:adopt(i, second, j)
      if doubt[i] and req.op == "delete" and name == "miss" then
        reply:set(i, "ok")
        reply:note("maybe", i, true)
      end
    end
  end
end


return Doubt
