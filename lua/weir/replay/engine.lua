-- replay/engine.lua: drives the requests of a source through a store and counts what
-- comes back. The host is one of virtual time, or a real one for --against live.
--
-- speed "max": one request after the other, each with its background work done before
--   the next; the clock follows the trace; stores take no time.
-- speed "open": requests start at their times, however many are in flight; stores take
--   the time of their models. factor compresses the times.
-- speed "closed": `clients` tasks, each sends its next request when the last is done.
--
-- What is done with a request is in client.lua.

local Client = require "weir.replay.client"
local Counts = require "weir.replay.counts"

local Engine = {}
Engine.__index = Engine

-- Requests in flight, of an open loop: one more is counted as dropped.
local MOST_IN_FLIGHT = 65536

-- Requests read in one go. Reading has a loop of its own, so that LuaJIT compiles it
-- apart from running them. stop() is called once in so many requests.
local AT_ONCE = 64

--- With speed "max" no request is used after so many further ones have been read.
Engine.IN_USE = AT_ONCE


--- store: what requests go to. world: of models.lua. opts: speed, factor, clients;
--- recorded: do requests as recorded; prefix; size: bytes of a value without one;
--- warmup: requests that do not count; stop(engine): whether to end early.
function Engine.new(store, source, world, opts)
  -- Copies can be told from sets only while requests do not overlap.
  local in_turn = (opts.speed or "max") == "max" and not world.live
  return setmetatable({
    store = store, source = source, world = world, host = world.host, opts = opts,
    phase = in_turn and world.phase or {}, in_turn = in_turn, counts = Counts.new(),
    speed = opts.speed or "max", recorded = opts.recorded, prefix = opts.prefix,
    size = opts.size or 65536, read = {}, n_read = 0, taken = 0,
    in_flight = 0, dropped = 0, done = 0,
  }, Engine)
end


local function perform(self, request)
  local run = Client.run
  if self.speed == "max" then
    run(self, request)
  else
    local began = self.host.now()
    local reply = run(self, request)
    if reply then self.counts:took(reply, self.host.now() - began) end
  end
  self.done = self.done + 1
  if self.done == self.opts.warmup then
    self.counts:reset()
    for _, entry in ipairs(self.world.stores) do entry.meter:reset() end
  end
end


-- ---- the order of requests ----

-- Reads more requests. False: that was all.
local function read_more(self)
  if self.stopped then return false end
  if self.done > 0 and self.opts.stop and self.opts.stop(self) then
    self.stopped = true
    return false
  end
  local source, list, n = self.source, self.read, 0
  for i = 1, AT_ONCE do
    local request = source:next()
    if not request then break end
    list[i], n = request, i
  end
  self.n_read, self.taken = n, 0
  if n > 0 then self.counts:pause(list[1].time) end
  return n > 0
end


local function next_request(self)
  if self.taken == self.n_read and not read_more(self) then
    self.n_read, self.taken = 0, 0
    return nil
  end
  local at = self.taken + 1
  local request, time = self.read[at], self.read[at].time
  self.taken = at
  if time then
    self.first_time, self.last_time = self.first_time or time, time
  end
  return request
end


-- When a request is due on the host's clock, or nil: it has no time.
local function due(self, request)
  if not request.time then return nil end
  return self.began + (request.time - self.first_time) / (self.opts.factor or 1)
end


-- Waits until a time. Where no timer is due before, the clock just moves.
local function wait_until(self, time)
  local host = self.host
  if not time or time <= host.now() then return end
  local timers = host.timers
  if timers and not (timers[1] and timers[1].at <= time) then
    return host:set_clock(time)
  end
  host.sleep(time - host.now())
end


local function settle(self)
  local host = self.host
  if host.first and host.first <= host.last then host:settle() end
end


local function run_max(self)
  local follow = not self.world.live
  for request in next_request, self do
    if follow then wait_until(self, due(self, request)) end
    perform(self, request)
    settle(self)
  end
end


local function one_in_flight(self, request)
  local ok, err = pcall(perform, self, request)
  self.in_flight = self.in_flight - 1
  if not ok then error(err, 0) end
end


local function run_open(self)
  for request in next_request, self do
    wait_until(self, due(self, request))
    if self.in_flight >= MOST_IN_FLIGHT then
      self.dropped = self.dropped + 1
    else
      self.in_flight = self.in_flight + 1
      self.host.spawn(one_in_flight, self, request)
    end
  end
end


local function client(self)
  for request in next_request, self do
    self.in_flight = self.in_flight + 1
    one_in_flight(self, request)
  end
end


local function run_closed(self)
  local tasks = {}
  for i = 1, self.opts.clients do tasks[i] = self.host.spawn(client, self) end
  for i = 1, #tasks do
    local ok, err = self.host.join(tasks[i])
    if not ok then error(err, 0) end
  end
end


local RUN = { max = run_max, open = run_open, closed = run_closed }


-- Of an open loop on a real host: until the last request has ended.
local function drain(self)
  while self.in_flight > 0 do self.host.sleep(0.01) end
end


--- Runs all requests; to be called in a task of the host.
function Engine:run()
  self.began = self.host.now()
  RUN[self.speed](self)
  if self.world.live then drain(self) end
  self.ended = self.host.now()
end


--- Runs in virtual time: until no request and no background work is left.
function Engine:simulate()
  local host = self.host
  host.run(function() self:run() end)
  if self.in_flight > 0 then
    error("deadlock: no task can run, and none will be woken:\n" .. host:waiting(), 0)
  end
end


return Engine
