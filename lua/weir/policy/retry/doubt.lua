-- policy/retry/doubt.lua: writes of which an attempt had no answer: it may have been
-- applied, whatever a later attempt says. Used by retry.
--
-- A delete that then finds nothing is ok, as the first attempt may have removed the
-- value, and its slot is marked in reply.maybe: the key is gone, whether there was a
-- value is not known. A later skipped, busy or unavailable, which would say "not
-- applied", does not take the place of the first timeout or reset.

local Op = require "weir.core.op"
local status = require "weir.core.status"

local Doubt = {}

--- Those of some slots that may be applied already, as a set.
function Doubt.of(req, reply, slots)
  local doubt = {}
  for _, i in ipairs(Op.writes[req.op] and slots or {}) do
    if status.applied[reply[i]] == "maybe" then doubt[i] = true end
  end
  return doubt
end


--- Takes the answers of another attempt for some slots into the reply.
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
