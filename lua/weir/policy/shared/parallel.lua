-- policy/shared/parallel.lua: runs requests on several stores at once and returns when
-- all have answered. Stores that never wait run in place, without a task. Used by
-- route, shard, failover, bysize.

local host = require "weir.host"

local Parallel = {}


local function run_one(round, i, store, req)
  local ok, reply = pcall(store.run, store, req)
  if ok then
    round.replies[i] = reply
  else
    round.failure = reply
  end
  round.left = round.left - 1
  if round.left == 0 and round.waiter then host.wake(round.waiter) end
end


-- The last store that may wait. It runs in the caller's task.
local function last_waiting(stores, n)
  for i = n, 1, -1 do
    if not stores[i].immediate then return i end
  end
end


--- replies[i] = stores[i]:run(requests[i]), for i from 1 to n.
function Parallel.run(stores, requests, n)
  local round = { replies = {}, left = n }
  local last = last_waiting(stores, n)
  for i = 1, n do
    if i ~= last and not stores[i].immediate then
      host.spawn(run_one, round, i, stores[i], requests[i])
    end
  end
  for i = 1, n do
    if i == last or stores[i].immediate then
      run_one(round, i, stores[i], requests[i])
    end
  end
  if round.left > 0 then
    round.waiter = host.prepare()
    host.wait(round.waiter)
  end
  if round.failure then error(round.failure, 0) end
  return round.replies
end


return Parallel
