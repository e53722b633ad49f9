-- policy/shared/guarded.lua: the writes and copies of a word over a store that
-- processes share (shm). What generations.lua does for the tasks of one process, the
-- store's guard does for all of them (native/guard.lua; the races are listed in
-- connectors/shm/guard.h). In a tier whose first store is shared:
--
--   a read    takes a ticket before it asks the stores below. A copy is stored only if
--             the ticket is good, so a write in another process beats it.
--   a write   begins in the guard, which deletes the first store's copy, then writes
--             the stores below, then stores the copy with its ticket, then ends.
--             When two processes write a key at the same time no copy is kept.
--
-- With three stores or more the middle ones are written by several processes, too, and
-- have no guard. So a write, and a copy to a middle store, keeps other processes'
-- writes of its keys away until it ends. They wait, LONGEST seconds at most.
--
-- A process that dies leaves no old copy in the first store. It may leave one in a
-- middle store, of a value whose write it did not acknowledge.
--
-- In a mirror one of whose stores is shared all stores are written at the same time, so
-- a write keeps other processes' writes of its keys away, as it does with three stores.
-- So does a repair, which needs a ticket from before the read. Only a set deletes the
-- shared store's copy when it begins: the set of a new one may fail.
-- Used by tier and mirror.

local host = require "weir.host"
local Node = require "weir.policy.shared.node"
local Reply = require "weir.core.reply"
local status = require "weir.core.status"

local Guarded = {}

local LONGEST = 30 -- seconds that a write waits for those of other processes
local PATIENCE = 10 -- seconds that a delete may take after a set without an answer
local SHORTEST, PAUSE = 0.0005, 0.02 -- seconds between two attempts, at first and later


--- Lets a tier use the guard of its first store, if that has one and the tier's options
--- allow it.
function Guarded.join(node, options)
  local guard = node.children[1].guard
  if not guard or options.write.back or options.exclusive or options.demote
    or Node.bottom(node.children[1]).word == "mirror" then
    return
  end
  node.guard, node.reuses = guard, false
  node.promotion.guard = guard
  node.promotion.claims = node.depth > 2
end


--- Lets a mirror use the guard of the first of its stores that has one. A tier has
--- writes of its own there.
function Guarded.join_mirror(node)
  for _, store in ipairs(node.children) do
    if store.guard and Node.bottom(store).handle then
      node.guard, node.reuses = store.guard, false
      break
    end
  end
  if node.guard and node.repairs then
    node.repairs.guard, node.repairs.claims = node.guard, "keep"
  end
end


--- The tickets for copies of the slots that were not found, by slot; nil: no guard.
--- slots: those; nil: all.
function Guarded.look(node, req, slots)
  if not node.guard or req.op ~= "get" or req.peek then return nil end
  if not slots then return node.guard:look(req.keys, req.n) end
  local keys, tickets = {}, {}
  for at, i in ipairs(slots) do keys[at] = req.keys[i] end
  for at, ticket in ipairs(node.guard:look(keys, #keys)) do
    tickets[slots[at]] = ticket
  end
  return tickets
end


-- Begins the writes of a request. nil: another process keeps them away.
local function begin(node, req, how)
  local by = math.min(req.deadline or math.huge, host.now() + LONGEST)
  local pause = SHORTEST
  repeat
    local tickets, found = node.guard:begin(how, req.keys, req.n)
    if tickets or found ~= "wait" or node.immediate then return tickets, found end
    if host.now() + pause >= by then return nil, "late" end
    host.sleep(pause * (0.5 + host.random()))
    pause = math.min(2 * pause, PAUSE)
  until false
end


local function refuse(node, req, why)
  if why == "late" then
    return Reply.uniform(req, "skipped",
      node.name .. ": another process writes the key", node.name)
  end
  return Reply.uniform(req, "busy", node.name
    .. (why == "wait" and ": another process writes the key"
      or ": a stopped process holds a lock of " .. node.guard.name), node.name)
end


-- A delete finds a key that only the shared store had, though begin has removed it.
local function note_found(req, reply, found)
  for i = 1, req.op == "delete" and req.n or 0 do
    if found[i] and reply[i] == "miss" then reply:set(i, "ok") end
  end
  return reply
end


-- Deletes the keys of a set whose slots may or may not have been stored.
local function undo(node, req, answer, delete)
  local slots = {}
  for i = 1, req.n do
    if status.applied[answer[i]] == "maybe" then slots[#slots + 1] = i end
  end
  if #slots == 0 then return end
  local sub = req:subset(slots)
  sub.op, sub.values, sub.ttl, sub.ttls = "delete", nil, nil, nil
  sub.deadline = host.now() + PATIENCE
  delete(node, sub)
end


-- Writes those keys of a request that has tickets whose tickets are good.
local function write_claimed(node, req, write, delete)
  local claimed, slots, tickets = node.guard:claim(req.keys, req.n, req.tickets), {}, {}
  for i = 1, req.n do
    if claimed[i] then
      slots[#slots + 1], tickets[#tickets + 1] = i, claimed[i]
    end
  end
  local reply = Reply.uniform(req, "skipped",
    node.name .. ": another process has written the key", node.name)
  if #slots == 0 then return reply end
  local some = req:subset(slots)
  local ok, answer = pcall(write, node, some, tickets)
  if ok and req.undo then pcall(undo, node, some, answer, delete) end
  node.guard:finish(some.keys, some.n, tickets)
  if not ok then error(answer, 0) end
  reply:place(answer, slots)
  return reply
end


-- How a write of a node begins.
local function how_of(node, op)
  if node.word == "mirror" then return op == "set" and "lock" or "lock_keep" end
  return node.depth > 2 and "lock" or op == "touch" and "keep" or "begin"
end


--- Runs write(node, req, tickets) between the begin and the end of the guard.
--- delete(node, req) deletes within such a write.
function Guarded.write(node, req, write, delete)
  if req.tickets then return write_claimed(node, req, write, delete) end
  local tickets, found = begin(node, req, how_of(node, req.op))
  if not tickets then return refuse(node, req, found) end
  local ok, reply = pcall(write, node, req, tickets)
  node.guard:finish(req.keys, req.n, tickets)
  if not ok then error(reply, 0) end
  return note_found(req, reply, found)
end


--- Runs a set on the first store, with tickets. It never waits.
function Guarded.set(node, req, tickets)
  req.tickets = tickets
  local answer = node.children[1]:run(req)
  req.tickets = nil
  return answer
end


return Guarded
