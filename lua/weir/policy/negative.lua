-- negative { ttl=1, max=10000 }: remembers misses, so that repeated requests for
-- missing keys cost the store nothing. Only a miss that the store answered counts,
-- never an error (a miss is one only if every authority said so). A write through this
-- node ends the entry of its key. A read that overlapped such a write makes no entry.
-- Entries have a bound of their own, so they cannot push out values. Over `max` the
-- oldest entry is dropped, and the store is asked again.
--
-- Over a store that tells of changes by others (redis with tracking, a coherent tier) a
-- change ends the entry of its key, too. While that store may miss changes, nothing is
-- remembered.
--
-- Over a store that processes share (shm, or a tier whose first store is one) a write
-- in any process ends the entry of its key. Each process has entries of its own.

local Arguments = require "weir.policy.shared.arguments"
local Expiring = require "weir.policy.shared.expiring"
local host = require "weir.host"
local Generations = require "weir.policy.shared.generations"
local Node = require "weir.policy.shared.node"
local Op = require "weir.core.op"
local Page = require "weir.policy.shared.scan_page"
local Reply = require "weir.core.reply"

local Negative = Node.word "negative"
Negative.REUSES = "immediate"

Negative.HELP = "Remembers misses, so that a key that is not there is not read again "
  .. "and again."
Negative.EXAMPLE = "far:negative { ttl = 1 }"
Negative.OPTIONS = {
  { "ttl", at = 1, is = "seconds", default = 1,
    help = "how long a miss is remembered" },
  { "max", is = "count", default = 10000,
    help = "misses remembered at most; over that the oldest is dropped" },
}


function Negative.new(child, ...)
  local given = Arguments.read("negative", Negative.OPTIONS, ...)
  local node = Negative:node { children = { child }, child = child,
    seconds = given.ttl, absent = Expiring.new(given.max), guard = child.guard,
    tickets = child.guard and Expiring.new(given.max),
    generations = Generations.new(), counts = { hits = 0 } }
  node.generations:watch()
  if node:can_tell() then node:listen_below() end
  return node
end


-- Whether a miss is the store's own: not one of fail_open, nor the one that tells a
-- caller to refresh a stale value.
local function absent(reply, i)
  return reply[i] == "miss" and not (reply.degraded and reply.degraded[i])
    and not (reply.stale and reply.stale[i])
end


-- Remembers the misses of a read that began at `since`. tickets: those of the guard
-- from then, if the store has one.
local function learn(self, req, reply, since, tickets)
  if reply:all "good" or self.seeing and not self.sees then return end
  local by = host.now() + self.seconds
  for i = 1, req.n do
    local key = req.keys[i]
    if absent(reply, i) and not self.generations:written_since(key, since) then
      self.absent:put(key, by)
      if tickets then self.tickets:put(key, tickets[i]) end
    end
  end
end


local function run_child(self, req)
  local since = self.generations:now()
  local tickets = self.guard and self.guard:look(req.keys, req.n)
  local reply = self.child:run(req)
  if not req.peek then learn(self, req, reply, since, tickets) end
  return reply
end


-- Whether a process may have written a key since its entry was made.
local function written(self, key)
  return self.guard ~= nil and not self.guard:good(key, self.tickets:get(key) or 1)
end


-- The slots that are not known to be absent.
local function unknown(self, req)
  local now, slots = host.now(), {}
  for i = 1, req.n do
    local key = req.keys[i]
    local by = self.absent:get(key)
    if by and (by <= now or written(self, key)) then
      self.absent:drop(key)
      by = nil
    end
    if not by then slots[#slots + 1] = i end
  end
  return slots
end


local function read(self, req)
  if self.absent.count == 0 then return run_child(self, req) end
  local slots = unknown(self, req)
  if #slots == req.n then return run_child(self, req) end
  self.counts.hits = self.counts.hits + req.n - #slots
  if req.trace then req.trace:decide(self, "known to be absent") end
  local reply = Reply.uniform(req, "miss")
  if #slots > 0 then reply:place(run_child(self, req:subset(slots)), slots) end
  return reply
end


-- A get finds none of the keys that are known to be absent.
local function scan(self, req)
  local reply = self.child:run(req)
  if self.absent.count == 0 or reply[1] ~= "ok" then return reply end
  local now = host.now()
  Page.filter(reply, function(keys)
    local keep = {}
    for i, key in ipairs(keys) do
      local by = self.absent:get(key)
      keep[i] = not by or by <= now or written(self, key)
    end
    return keep
  end)
  return reply
end


function Negative:answer(req)
  if Op.lookups[req.op] then return read(self, req) end
  if req.op == "scan" then return scan(self, req) end
  local reply = self.child:run(req)
  if Op.writes[req.op] then
    self.generations:bump(req)
    for i = 1, req.n do self.absent:drop(req.keys[i]) end
  end
  return reply
end


function Negative:hear(event, what, source)
  if event == "changed" then
    self.generations:changed(what)
    for _, key in ipairs(what) do self.absent:drop(key) end
  else
    self.generations:changed_all()
    self:forget()
  end
  Node.hear(self, event, what, source)
end


function Negative:remember(old)
  self.counts = old.counts
  if self.guard == old.guard then
    self.absent, self.tickets = old.absent, old.tickets
  end
end


function Negative:forget()
  self.absent:clear()
  if self.tickets then self.tickets:clear() end
end


-- What tally returns.
Negative.STATS = {
  { "hits", is = "counter", help = "misses answered without the store" },
  { "entries", is = "gauge", help = "misses remembered now" },
  { "dropped", is = "counter", help = "misses forgotten for lack of room" },
}

function Negative:tally()
  return { hits = self.counts.hits, entries = self.absent.count,
    dropped = self.absent.dropped }
end


function Negative:plan(op, key)
  local by = Op.lookups[op] and self.absent:get(key)
  if by and by > host.now() then return "known to be absent", {} end
  return Op.lookups[op] and "not known to be absent" or "ends its entry", { self.child }
end


return Negative
