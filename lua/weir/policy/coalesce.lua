-- coalesce { wait = 5 }: single flight, as Go's singleflight and mlcache's locks. While
-- a get of a key is under way, further gets of the key wait for its reply instead of
-- sending a request of their own. They share the value without a copy. The first caller
-- is the leader. Its request runs in a task of its own, so it goes on when the leader
-- is killed. If the leader gets an error, the callers that wait make one more attempt
-- together, so there are at most two requests for them. A write through this node ends
-- the reads of its keys: later callers never get a value that was read before the
-- write. Over a store that tells of changes by others, so does a change of a key.
--
-- Over a store that processes share (shm, or a tier whose first store is one) a write
-- in any process ends the reads of its keys, too. Each process has a leader of its own.
--
-- A leader may hang. Callers can join its read for `wait` seconds, and no longer than
-- its deadline. After that the next caller leads a new read. A caller that has waited
-- for `wait` seconds leaves the read and starts over. So a store that hangs for ever
-- gets one request for a key every `wait` seconds (nginx: proxy_cache_lock_age).

local Arguments = require "weir.policy.shared.arguments"
local Detach = require "weir.policy.shared.detach"
local Reads = require "weir.policy.coalesce.reads"
local host = require "weir.host"
local Lent = require "weir.policy.shared.lent"
local Node = require "weir.policy.shared.node"
local Op = require "weir.core.op"
local Reply = require "weir.core.reply"

local Coalesce = Node.word "coalesce"
Coalesce.REUSES = "immediate"

Coalesce.HELP = "Many readers of one key at the same time cause one read of the store."
Coalesce.EXAMPLE = "tree:coalesce()"
Coalesce.OPTIONS = {
  { "wait", at = 1, is = "seconds", default = 5,
    help = "longest time that a reader waits for another one's read" },
}

function Coalesce.new(child, ...)
  local given = Arguments.read("coalesce", Coalesce.OPTIONS, ...)
  local node = Coalesce:node { children = { child }, child = child,
    longest = given.wait, reads = {}, n_reads = 0, guard = child.guard,
    counts = { led = 0, joined = 0, elected = 0, left = 0 } }
  if node:can_tell() then node:listen_below() end
  return node
end


-- Leads the read of all keys of a request. A read that never waits is not registered,
-- since no other caller can run meanwhile.
local function lead(self, req)
  local read = { req = Lent.private(req),
    tickets = self.guard and self.guard:look(req.keys, req.n) }
  self.counts.led = self.counts.led + req.n
  host.spawn(Reads.run, self, read)
  if not read.reply then
    Reads.register(self, read)
    read.waiter = host.prepare()
    local deadline = not self.child.bounded and req.deadline
    host.wait(read.waiter, Detach.patience(deadline))
    read.waiter = nil
  end
  if read.failure then error(read.failure, 0) end
  if read.reply then return Lent.land(req, read.reply) end
  return Reply.uniform(req, "timeout", self.child.name .. ": no answer in time",
    self.name)
end


-- Joins the reads that are under way. Returns the slots that have none: the caller
-- leads them.
local function join(self, req, caller)
  local mine = {}
  for i = 1, req.n do
    local read = Reads.of(self, req.keys[i])
    if read then
      local j = read.slot[req.keys[i]]
      read.joined[j] = read.joined[j] or {}
      table.insert(read.joined[j], { caller = caller, slot = i })
      caller.left = caller.left + 1
    else
      mine[#mine + 1] = i
    end
  end
  self.counts.joined = self.counts.joined + caller.left
  return mine
end


-- Waits for the reads that were joined. Returns the slots that have no reply in time.
local function wait_for_others(req, caller)
  local time = math.min(caller.until_time, req.deadline or math.huge) - host.now()
  if caller.left > 0 then host.wait(caller.waiter, math.max(time, 0)) end
  caller.gone = true
  local late = {}
  for i = 1, caller.left > 0 and req.n or 0 do
    if not caller.reply[i] then late[#late + 1] = i end
  end
  return late
end


-- Joins or leads the read of each slot. Returns the reply and the slots without an
-- answer.
local function join_or_lead(self, req)
  local caller = { reply = Reply.new(req), left = 0, waiter = host.prepare(),
    deadline = req.deadline, until_time = host.now() + self.longest }
  local mine = join(self, req, caller)
  if caller.left == 0 then return lead(self, req), {} end
  if req.trace then req.trace:decide(self, "joined a read under way") end
  if #mine > 0 then caller.reply:place(lead(self, req:subset(mine)), mine) end
  return caller.reply, wait_for_others(req, caller)
end


-- Starts over for the slots that are late. Returns those that are late again.
local function retry_late(self, req, reply, slots)
  self.counts.left = self.counts.left + #slots
  local answer, late = join_or_lead(self, req:subset(slots))
  for j, i in ipairs(slots) do
    if answer[j] then reply:adopt(i, answer, j) end
  end
  for at, j in ipairs(late) do late[at] = slots[j] end
  return late
end


local function read(self, req)
  if self.n_reads == 0 then return lead(self, req) end
  local reply, late = join_or_lead(self, req)
  while #late > 0 and not (req.deadline and req.deadline <= host.now()) do
    late = retry_late(self, req, reply, late)
  end
  for _, i in ipairs(late) do
    reply:set(i, "timeout", { store = self.name,
      message = self.name .. ": the read that it joined did not end in time" })
  end
  return Lent.land(req, reply)
end


function Coalesce:answer(req)
  local child = self.child
  if req.op == "get" then
    if child.immediate or req.peek then return child:run(req) end
    return read(self, req)
  end
  local reply = child:run(req)
  if Op.writes[req.op] and self.n_reads > 0 then
    for i = 1, req.n do Reads.close(self, req.keys[i]) end
  end
  return reply
end


Coalesce.fast_path = Node.pass_hits

function Coalesce:count_hits(hits)
  Node.count_hits(self, hits)
  if not self.child.immediate then self.counts.led = self.counts.led + hits.keys end
end


function Coalesce:hear(event, what, source)
  if event ~= "changed" then
    self:forget()
  elseif self.n_reads > 0 then
    for _, key in ipairs(what) do Reads.close(self, key) end
  end
  Node.hear(self, event, what, source)
end


function Coalesce:forget()
  self.reads, self.n_reads = {}, 0
end


-- What tally returns.
Coalesce.STATS = {
  { "led", is = "counter", help = "keys that were read from the store" },
  { "joined", is = "counter", help = "keys that waited for another one's read" },
  { "elected", is = "counter", help = "reads repeated because the first one failed" },
  { "left", is = "counter", help = "keys that stopped waiting and read by themselves" },
  { "flying", is = "gauge", help = "keys being read now" },
}

function Coalesce:tally()
  return { led = self.counts.led, joined = self.counts.joined,
    elected = self.counts.elected, left = self.counts.left, flying = self.n_reads }
end


function Coalesce:plan(op, key)
  if op ~= "get" then return "passes", { self.child } end
  if Reads.of(self, key) then return "joins a read that is under way", {} end
  return "leads", { self.child }
end


return Coalesce
