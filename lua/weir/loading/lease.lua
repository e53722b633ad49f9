-- loading/lease.lua: one loader a machine. Over a store that processes share (shm, or a
-- tier whose first store is one) a load asks for a lease of each key before it calls
-- the loader (native/guard.lua). If another process has it, the load waits until that
-- one has ended, and reads the value from the store. A lease ends with its load, at its
-- deadline, and when its process dies: then one of those who wait gets it. Used by
-- load.lua.

local host = require "weir.host"
local Request = require "weir.core.request"

local Lease = {}

local SHORTEST, LONGEST = 0.001, 0.05 -- seconds between two looks, at first and later
local SPARE = 10 -- seconds that storing may take


--- Asks for the leases of some slots of a load. Returns the slots to load here, and
--- those that another process loads, with its lease in load.theirs.
function Lease.take(load, slots)
  local guard, mine, others = load.state.guard, {}, {}
  if not guard then return slots, others end
  for _, j in ipairs(slots) do
    local key = load.keys[j]
    load.tickets[j] = guard:look_one(key)
    local answer, what = guard:lease(key, load.seconds + SPARE)
    if answer == "absent" then
      load.state:note_absent(key, host.now() + what, load.tickets[j])
    elseif answer == "wait" then
      others[#others + 1], load.theirs[j] = j, what
    else
      mine[#mine + 1], load.leases[j] = j, answer == "ok" and what or nil
    end
  end
  return mine, others
end


-- How a load of a slot ended, for those who wait for it.
local function outcome_of(load, j)
  if load.late or load.failed[j] then return "failed" end
  return load.found[j] and "stored" or "absent"
end


--- Ends the leases that a load has.
function Lease.settle(load)
  for j, lease in pairs(load.leases) do
    load.state.guard:settle(load.keys[j], lease, outcome_of(load, j),
      load.how.neg_ttl, load.tickets[j])
    load.leases[j] = nil
  end
end


-- Reads the values that others have stored. Slots without one are to be loaded.
local function read(load, slots, left)
  if #slots == 0 then return end
  local keys = {}
  for at, j in ipairs(slots) do keys[at] = load.keys[j] end
  local req = Request.new("get", keys)
  req.deadline = load.deadline
  local reply = load.state.bare(load.state.store, req)
  for at, j in ipairs(slots) do
    if reply[at] == "ok" then
      load.found[j] = reply:value(at)
    else
      left[#left + 1] = j
    end
  end
end


--- Waits for the loads of others. Returns the slots that are to be loaded after all:
--- those loads failed, their processes died, or the values are not in the store.
function Lease.await(load, slots)
  local guard, left, pause = load.state.guard, {}, SHORTEST
  while #slots > 0 do
    local waiting, stored = {}, {}
    for _, j in ipairs(slots) do
      local how = guard:watch(load.keys[j], load.theirs[j])
      if how == "wait" then
        waiting[#waiting + 1] = j
      elseif how == "ok" then
        stored[#stored + 1] = j
      elseif how == "lost" then
        left[#left + 1] = j
      end
    end
    read(load, stored, left)
    if #left > 0 then return left, waiting end
    slots = waiting
    if #slots > 0 then host.sleep(pause * (0.5 + host.random())) end
    pause = math.min(2 * pause, LONGEST)
  end
  return left, slots
end


return Lease
