-- coalesce {}: single flight (Go's singleflight, mlcache): while a key is being
-- read, further gets of it wait for that answer instead of asking again; values are
-- shared, not copied. The first asker leads, in a task detached from it, so that
-- its leaving harms nobody. When the leader's answer is an error those who wait
-- elect another, once: at most two calls go up for them. A write through here ends
-- the flight for later askers: none of them sees what was read before it.

local Arguments = require "weir.parts.arguments"
local Detach = require "weir.parts.detach"
local Flights = require "weir.parts.flights"
local host = require "weir.host"
local Lent = require "weir.parts.lent"
local Policy = require "weir.policy"
local Reply = require "weir.reply"

local Coalesce = Policy.word "coalesce"

local WRITES = { set = true, delete = true, touch = true }


function Coalesce.new(child, ...)
  Arguments.read("coalesce", {}, ...)
  return Coalesce:node { children = { child }, child = child,
    flights = {}, flying = 0, counts = { led = 0, joined = 0, elected = 0 } }
end


-- ---- askers ----

local function time_left(req)
  return req.deadline and math.max(req.deadline - host.now(), 0)
end


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
  return Policy.all(req, "timeout", self.child.name .. ": no answer in time", self.name)
end


-- Takes a seat in the flights that there are; returns the slots left to lead.
local function join(self, req, asker)
  local mine = {}
  for i = 1, req.n do
    local key = req.keys[i]
    local flight = self.flights[key]
    if flight then
      local j = flight.slot[key]
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


local function wait_for_others(self, req, asker)
  if asker.left > 0 then host.wait(asker.waiter, time_left(req)) end
  asker.gone = true
  if asker.left == 0 then return end
  local facts = { message = self.name .. ": the reader it joined is late",
    store = self.name }
  for i = 1, req.n do
    if not asker.reply[i] then asker.reply:set(i, "timeout", facts) end
  end
end


local function read(self, req)
  if self.flying == 0 then return lead(self, req) end
  local asker = { reply = Reply.new(req), left = 0, waiter = host.prepare(),
    deadline = req.deadline }
  local mine = join(self, req, asker)
  if asker.left == 0 then return lead(self, req) end
  if req.trace then req.trace:decide(self, "joined a read under way") end
  if #mine > 0 then asker.reply:place(lead(self, req:subset(mine)), mine) end
  wait_for_others(self, req, asker)
  return Lent.land(req, asker.reply)
end


function Coalesce:answer(req)
  local child = self.child
  if req.op == "get" then
    if child.immediate then return child:run(req) end
    return read(self, req)
  end
  local reply = child:run(req)
  if WRITES[req.op] and self.flying > 0 then
    for i = 1, req.n do Flights.close(self, req.keys[i]) end
  end
  return reply
end


function Coalesce:forget()
  self.flights, self.flying = {}, 0
end


function Coalesce:tally()
  return { led = self.counts.led, joined = self.counts.joined,
    elected = self.counts.elected, flying = self.flying }
end


function Coalesce:plan(op, key)
  if op ~= "get" then return "passes", { self.child } end
  if self.flights[key] then return "joins a read that is under way", {} end
  return "leads", { self.child }
end


return Coalesce
