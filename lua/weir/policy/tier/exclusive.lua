-- policy/tier/exclusive.lua: a pair of stores that share the values instead of both
-- having them: the first two of a tier. A set goes around the first one. A value that
-- is read in the second is moved to the first, and one that the first evicts is moved
-- to the second (demote.lua). So the pair has room for as much as both together.
--
-- A move stores the value before it deletes it, under the lock of its key. A reader may
-- come to the first store before the move, and to the second after it. It reads again
-- the keys that it missed and that were moved meanwhile. Between its eviction and the
-- end of its move, a value is read from the queue of demotions. It is lost when that
-- queue overflows, when the second store does not take it, or when the process ends:
-- the pair is a cache. Used by tier.

local host = require "weir.host"

local Exclusive = {}

local ATTEMPTS = 3 -- of a read whose keys keep moving
local LONGEST = 5  -- seconds that a scan waits for moves to end
local PAUSE = 0.005


--- Checks the options, and lets sets go around. write: as it was given.
function Exclusive.check(options, write)
  if not options.exclusive then return end
  if not options.demote then
    error("tier: exclusive needs demote: which evicted values are moved down", 0)
  end
  if options.coherent then
    error("tier: coherent and exclusive exclude each other: the last store does not "
      .. "have every key", 0)
  end
  if options.stale_while or options.stale_if_error then
    error("tier: an exclusive pair keeps no old copies: leave out stale_while and "
      .. "stale_if_error", 0)
  end
  if write ~= nil and write ~= "around" then
    error("tier: a set goes around an exclusive pair to the last store: write = "
      .. "\"around\"", 0)
  end
  options.write = "around"
end


--- Makes the promotions and demotions of a tier moves.
function Exclusive.join(tier, options)
  if not options.exclusive then return end
  local first, second = tier.children[1], tier.children[2]
  if first.word ~= "demote" then
    error("tier: the first store of an exclusive pair is a memory or a quota, without "
      .. "a prefix or a pin over it", 0)
  end
  tier.exclusive = true
  function tier.promotion.moved(source, entries, request)
    if source == second then
      tier.generations:moved()
      second:run(request("delete", entries))
    end
  end
  tier.demotion.patient = true
  function tier.demotion.moved(source)
    if source == first then tier.generations:moved() end
  end
end


--- Changes the time of values, whichever store has them. Of a pair above others the
--- last store decides, as in every tier.
function Exclusive.touch(tier, req)
  local reply = tier.children[2]:run(req)
  return reply:combine(tier.children[1]:run(req))
end


--- Reads the slots again that are misses although their keys may have been moved since
--- the read began. read(tier, request, attempt) reads.
function Exclusive.look_again(tier, req, reply, begun, attempt, read)
  attempt = attempt or 1
  if attempt == ATTEMPTS or reply:all "good" then return end
  local slots = {}
  for i = 1, req.n do
    if reply[i] == "miss" and not tier.generations:still(req.keys[i], begun) then
      slots[#slots + 1] = i
    end
  end
  if #slots > 0 then
    reply:place(read(tier, req:subset(slots), attempt + 1), slots)
  end
end


--- Waits until no value is on its way down: a scan lists what the stores have.
function Exclusive.settle(tier, req)
  local by = math.min(req.deadline or math.huge, host.now() + LONGEST)
  while tier.demotion.running and host.now() < by do host.sleep(PAUSE) end
end


return Exclusive
