-- coalesce { wait = 5 }: single flight (Go's singleflight, mlcache): while a key is
-- being read, further gets of it wait for that answer instead of asking again; values
-- are shared, not copied. The first asker leads, in a task detached from it, so that
-- its leaving harms nobody. When the leader's answer is an error those who wait
-- elect another, once: at most two calls go up for them. A write through here ends
-- the flight for later askers: none of them sees what was read before it.
--
-- A leader may hang. A flight takes no more askers after `wait` seconds, nor after its
-- leader's deadline: the next asker leads a new one. Those who joined and have waited
-- for `wait` seconds leave it and ask again, so a store that hangs for ever gets one
-- more call of a key each `wait` seconds (nginx: proxy_cache_lock_age).

local Arguments = require "weir.policy.shared.arguments"
local Detach = require "weir.policy.shared.detach"
local Flights = require "weir.policy.coalesce.reads"
local host = require "weir.host"
local Lent = require "weir.policy.shared.lent"
local Node = require "weir.policy.shared.node"
local Op = require "weir.core.op"
local Reply = require "weir.core.reply"

local Coalesce = Node.word "coalesce"

Coalesce.HELP = "Many readers of one key at the same time cause one read of the store."
Coalesce.EXAMPLE = "tree:coalesce()"
Coalesce.OPTIONS = {
  { "wait", at = 1, is = "seconds", default = 5,
    help = "longest time that a reader waits for another one's read" },
}

function Coalesce.new(child, ...)
  local given = Arguments.read("coalesce", Coalesce.OPTIONS, ...)
  return Coalesce:node { children = { child }, child = child, longest = given.wait,
    flights = {}, flying = 0,
    counts = { led = 0, joined = 0, elected = 0, left = 0 } }
end


-- ---- askers ----

-- Leads for all keys of a request. What finishes without waiting was never seen
-- by anybody else and needs no entry in the table.
local function lead(self, req)
  local flight = { req = Lent.private(req), slot = {}, seats = {} }
  self.counts.led = self.counts.led + req.n
  host.spawn(Flights.fly, self, flight)
  if not flight.reply then
    Flights.register(self, flight)
    flight.waiter = host.prepare()
    local deadline = not self.child.bounded and req.deadline
    host.wait(flight.waiter, Detach.patience(deadline))
    flight.waiter = nil
  end
  if flight.failure then error(flight.failure, 0) end
  if flight.reply then return Lent.land(req, flight.reply) end
  return Reply.uniform(req, "timeout", self.child.name .. ": no answer in time",
    self.name)
end


-- Takes a seat in the flights that there are; returns the slots left to lead.
local function join(self, req, asker)
  local mine = {}
  for i = 1, req.n do
    local flight = Flights.of(self, req.keys[i])
    if flight then
      local j = flight.slot[req.keys[i]]
      flight.seats[j] = flight.seats[j] or {}
      table.insert(flight.seats[j], { asker = asker, slot = i })
      asker.left = asker.left + 1
    else
      mine[#mine + 1] = i
    end
  end
  self.counts.joined = self.counts.joined + asker.left
  return mine
end


-- The slots for which the readers that were joined gave no answer in time.
local function wait_for_others(req, asker)
  local time = math.min(asker.until_time, req.deadline or math.huge) - host.now()
  if asker.left > 0 then host.wait(asker.waiter, math.max(time, 0)) end
  asker.gone = true
  local late = {}
  for i = 1, asker.left > 0 and req.n or 0 do
    if not asker.reply[i] then late[#late + 1] = i end
  end
  return late
end


-- One round of joining and leading: the reply, and the slots left without an answer.
local function round(self, req)
  local asker = { reply = Reply.new(req), left = 0, waiter = host.prepare(),
    deadline = req.deadline, until_time = host.now() + self.longest }
  local mine = join(self, req, asker)
  if asker.left == 0 then return lead(self, req), {} end
  if req.trace then req.trace:decide(self, "joined a read under way") end
  if #mine > 0 then asker.reply:place(lead(self, req:subset(mine)), mine) end
  return asker.reply, wait_for_others(req, asker)
end


-- Asks anew for the slots whose readers were late: they lead, unless another has
-- begun to. Returns the slots that are late once more.
local function again(self, req, reply, slots)
  self.counts.left = self.counts.left + #slots
  local answer, late = round(self, req:subset(slots))
  for j, i in ipairs(slots) do
    if answer[j] then reply:adopt(i, answer, j) end
  end
  for at, j in ipairs(late) do late[at] = slots[j] end
  return late
end


local function read(self, req)
  if self.flying == 0 then return lead(self, req) end
  local reply, late = round(self, req)
  while #late > 0 and not (req.deadline and req.deadline <= host.now()) do
    late = again(self, req, reply, late)
  end
  for _, i in ipairs(late) do
    reply:set(i, "timeout", { store = self.name,
      message = self.name .. ": the reader it joined is late" })
  end
  return Lent.land(req, reply)
end


function Coalesce:answer(req)
  local child = self.child
  if req.op == "get" then
    if child.immediate then return child:run(req) end
    return read(self, req)
  end
  local reply = child:run(req)
  if Op.writes[req.op] and self.flying > 0 then
    for i = 1, req.n do Flights.close(self, req.keys[i]) end
  end
  return reply
end


function Coalesce:forget()
  self.flights, self.flying = {}, 0
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
    elected = self.counts.elected, left = self.counts.left, flying = self.flying }
end


function Coalesce:plan(op, key)
  if op ~= "get" then return "passes", { self.child } end
  if Flights.of(self, key) then return "joins a read that is under way", {} end
  return "leads", { self.child }
end


return Coalesce
