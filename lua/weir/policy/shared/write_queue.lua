-- policy/shared/write_queue.lua: the writes that wait for the lock of a key, in the
-- order in which they came. Used by generations.lua.
--
-- Many callers may set one key at once, faster than a slow store can write it. Then
-- each set that waits would wait for all before it, and most would pass their
-- deadlines. But while sets wait at the same time, each may count as made just before
-- the next one: nobody can have read a value in between. So the last of several sets is
-- made for all, and the earlier ones are told its success. If it fails, or gives up,
-- each of them goes on to wait for itself.
--
-- Only sets of a single key are combined, and only those that stand together at the
-- head of the queue: a delete or a batch between them keeps its place.

local host = require "weir.host"

local Queue = {}


--- A place in a queue for a write.
function Queue.entry(req)
  return { alone = req.op == "set" and req.n == 1 }
end


-- Moves entries 1 to n of a queue, and those that they were to be made for, to a list.
local function move(queue, n, list)
  for i = 1, n do
    local entry = queue[i]
    for _, earlier in ipairs(entry.earlier or {}) do
      list[#list + 1], earlier.queue = earlier, list
    end
    list[#list + 1], entry.queue, entry.earlier = entry, list, nil
  end
  for i = 1, #queue do queue[i] = queue[n + i] end
end


--- Lets the last of the sets at the head of a queue be made for all of them.
function Queue.combine(queue)
  local last = 0
  while queue[last + 1] and queue[last + 1].alone do last = last + 1 end
  if last < 2 then return end
  local leader = queue[last]
  local earlier = {}
  move(queue, last - 1, earlier)
  for _, entry in ipairs(leader.earlier or {}) do
    earlier[#earlier + 1], entry.queue = entry, earlier
  end
  leader.earlier = earlier
end


--- Tells the sets for which this one was to be made whether it was.
function Queue.settle(entry, made)
  local earlier = entry.earlier or {}
  entry.earlier = nil
  for i = 1, #earlier do
    earlier[i].replaced = made
    host.wake(earlier[i].waiter)
  end
end


return Queue
