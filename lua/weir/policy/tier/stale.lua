-- policy/tier/stale.lua: values of upper stores that are past their time. The word ttl
-- answers such a value with a stale miss, so that the stores below are read. If they
-- fail, the old value is served, marked stale. If they say that there is none, the old
-- one is deleted. Used by tier.

local Lent = require "weir.policy.shared.lent"
local status = require "weir.core.status"
local Ttl = require "weir.policy.ttl"

local Stale = {}


--- Puts a ttl over each upper store, which keeps values past their time, if an option
--- of tier says for how long.
function Stale.keep(stores, stale_while, stale_if_error, keys)
  if not stale_while and not stale_if_error then return end
  for level = 1, #stores - 1 do
    stores[level] = Ttl.keeper(stores[level], stale_while, stale_if_error, keys)
  end
end


--- Notes the stale miss of slot i, and the old value if it may be served.
function Stale.note(walk, level, i, held)
  walk.stale = walk.stale or {}
  walk.stale[i] = walk.stale[i] or { level = level, value = held }
end


local function delete(self, req, slots, level)
  local sub = req:subset(slots)
  sub.op, sub.buffers, sub.caps = "delete", nil, nil
  self.children[level]:run(sub)
end


--- Serves the old values of slots whose stores below failed, and deletes those that are
--- gone below.
function Stale.finish(self, req, reply, walk)
  local gone = {}
  for i, old in pairs(walk.stale) do
    if status.class[reply[i]] == "error" and old.value then
      reply:set(i, "ok", { value = old.value, stale = true, level = old.level })
      self.counts.stale = self.counts.stale + 1
    elseif reply[i] == "miss" and not (reply.degraded and reply.degraded[i]) then
      gone[old.level] = gone[old.level] or {}
      table.insert(gone[old.level], i)
    end
  end
  for level, slots in pairs(gone) do delete(self, req, slots, level) end
  Lent.land(req, reply)
end


return Stale
