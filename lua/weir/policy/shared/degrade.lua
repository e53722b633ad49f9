-- policy/shared/degrade.lua: the option fail_open, for callers that would rather
-- compute a value anew than wait for a store that is down. They get a miss, marked
-- degraded: the key may exist. Used by tier and failover.

local status = require "weir.core.status"

--- Makes misses of the errors of a read. node.counts.degraded counts them.
return function(node, reply)
  for i = 1, reply.n do
    if status.class[reply[i]] == "error" then
      reply:set(i, "miss", { degraded = true })
      node.counts.degraded = node.counts.degraded + 1
    end
  end
  return reply
end
