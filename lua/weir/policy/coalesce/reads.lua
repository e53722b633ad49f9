-- policy/coalesce/reads.lua: reads under way and who waits for them, for the word
-- coalesce. A flight is a request of its leader; flight.seats[j] are the slots of other
-- askers that wait for its slot j. self is the node: flights by key, how many keys fly.

local Detach = require "weir.policy.shared.detach"
local host = require "weir.host"
local Reply = require "weir.core.reply"
local status = require "weir.core.status"

local Flights = {}


-- Until when others may join: as long as an answer can be hoped for.
local function board(self, flight, deadline)
  local wait = Detach.patience(deadline) or math.huge
  flight.open_until = host.now() + math.min(wait, self.longest)
end


--- Lets others join the flight, once it is known to take time.
function Flights.register(self, flight)
  board(self, flight, flight.req.deadline)
  for i = 1, flight.req.n do
    local key = flight.req.keys[i]
    self.flights[key], flight.slot[key] = flight, i
  end
  self.flying = self.flying + flight.req.n
  flight.registered = true
end


--- Nobody joins the flight of this key any more.
function Flights.close(self, key, flight)
  local current = self.flights[key]
  if current and (not flight or current == flight) then
    self.flights[key] = nil
    self.flying = self.flying - 1
  end
end


-- Nobody joins the flight of this key any more if its time is over.
function Flights.expire(self, key)
  local flight = self.flights[key]
  if flight and flight.open_until <= host.now() then
    Flights.close(self, key, flight)
  end
end


--- The flight of a key that may be joined, or nil.
function Flights.of(self, key)
  Flights.expire(self, key)
  return self.flights[key]
end


-- Gives a slot's answer to one who waits for it.
local function deliver(seat, reply, j)
  local asker = seat.asker
  if asker.gone then return end
  asker.reply:adopt(seat.slot, reply, j)
  asker.left = asker.left - 1
  if asker.left == 0 then host.wake(asker.waiter) end
end


local function deliver_all(seats, reply, j)
  for _, seat in ipairs(seats) do deliver(seat, reply, j) end
end


local function still_waiting(seats)
  local list
  for _, seat in ipairs(seats or {}) do
    if not seat.asker.gone then
      list = list or {}
      list[#list + 1] = seat
    end
  end
  return list
end


-- Whether an answer is the leader's alone: an error, or the miss of who is to
-- refresh a stale value.
local function unshared(reply, j)
  return status.class[reply[j]] == "error"
    or reply[j] == "miss" and reply.stale and reply.stale[j]
end


-- Serves those who wait for slots whose answer can be shared and ends their flights;
-- returns the slots of which another attempt is owed to somebody.
local function settle(self, flight, reply)
  local owed = {}
  for j = 1, reply.n do
    local seats = flight.seats[j]
    local waiting = unshared(reply, j) and still_waiting(seats)
    if waiting then
      flight.seats[j] = waiting
      owed[#owed + 1] = j
    else
      Flights.close(self, flight.req.keys[j], flight)
      if seats then deliver_all(seats, reply, j) end
    end
  end
  return owed
end


local function ask(self, req)
  local ok, reply = pcall(self.child.run, self.child, req)
  if ok then return reply end
  return Reply.uniform(req, "failed", tostring(reply), self.name), reply
end


-- The farthest deadline of those who wait; nil: somebody waits for ever.
local function farthest(flight, slots)
  local deadline = 0
  for _, j in ipairs(slots) do
    for _, seat in ipairs(flight.seats[j]) do
      deadline = math.max(deadline, seat.asker.deadline or math.huge)
    end
  end
  return deadline < math.huge and deadline or nil
end


-- The second attempt, and the last one.
local function elect(self, flight, slots)
  local req = flight.req:subset(slots)
  req.deadline, req.trace = farthest(flight, slots), nil
  board(self, flight, req.deadline)
  self.counts.elected = self.counts.elected + 1
  local reply = ask(self, req)
  for at, j in ipairs(slots) do
    Flights.close(self, flight.req.keys[j], flight)
    deliver_all(flight.seats[j], reply, at)
  end
end


--- The leader's task.
function Flights.fly(self, flight)
  local reply, failure = ask(self, flight.req)
  local owed = flight.registered and settle(self, flight, reply)
  flight.reply, flight.failure = reply, failure
  if flight.waiter then host.wake(flight.waiter) end
  if owed and #owed > 0 then elect(self, flight, owed) end
end


return Flights
