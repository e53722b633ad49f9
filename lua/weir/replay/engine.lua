-- replay/engine.lua: drives the requests of a source through a store and counts what
-- comes back. The host is one of virtual time, or a real one for --against live.
--
-- speed "max": one request after the other, each with its background work done before
--   the next; the clock follows the trace; stores take no time.
-- speed "open": requests start at their times, however many are in flight; stores take
--   the time of their models. factor compresses the times.
-- speed "closed": `clients` tasks, each sends its next request when the last is done.
--
-- A get that misses is computed and set (get-or-set), or requests are done as they are
-- recorded. Where the trace says that a get hit and it does not here, the application
-- would have computed and set it: that is done, too.

local Counts = require "weir.replay.counts"
local Request = require "weir.core.request"
local status = require "weir.core.status"
local Values = require "weir.replay.models.values"

local new_table = require "table.new"
local class = status.class

local Engine = {}
Engine.__index = Engine

-- Requests in flight, of an open loop: one more is counted as dropped.
local MOST_IN_FLIGHT = 65536

-- Requests that are read at once, in a loop of their own that LuaJIT compiles apart
-- from what is done with them; and between two looks at stop().
local AT_ONCE = 64


--- store: what requests go to. world: of models.lua. opts: speed, factor, clients;
--- recorded: do requests as recorded; prefix; size: bytes of a value without one;
--- warmup: requests that do not count; stop(engine): whether to end early.
function Engine.new(store, source, world, opts)
  -- Where requests overlap nobody can say that a set is a copy of what a get found.
  local in_turn = (opts.speed or "max") == "max" and not world.live
  return setmetatable({
    store = store, source = source, world = world, host = world.host,
    phase = in_turn and world.phase or {}, in_turn = in_turn, counts = Counts.new(),
    opts = opts,
    speed = opts.speed or "max", recorded = opts.recorded, prefix = opts.prefix,
    size = opts.size or 65536, in_flight = 0, dropped = 0, done = 0,
    read = {}, n_read = 0, taken = 0,
  }, Engine)
end


-- ---- requests ----

local function size_of(self, request, i)
  local sizes = request.sizes
  return sizes and sizes[i] or request.size or self.size
end


-- What a get answered: hits by level, the leading ones, bytes.
local function count_get(self, request, req, reply)
  local counts, positions, levels = self.counts, req.positions, reply.levels
  local n, hits, errors, lead, bytes, missed = request.n, 0, 0, 0, 0, 0
  local by_level, sizes, size = counts.levels, request.sizes, request.size or self.size
  for i = 1, n do
    local j = positions and positions[i] or i
    local name = reply[j]
    local bytes_i = size
    if sizes then bytes_i = sizes[i] or 0 end
    if name == "ok" or class[name] == "good" then
      local level = levels and levels[j] or 1
      by_level[level] = (by_level[level] or 0) + 1
      if hits == i - 1 then lead = i end
      if sizes and not sizes[i] then
        bytes_i = reply:size(j) or 0
        counts.set_again = counts.set_again + bytes_i
      end
      hits, bytes = hits + 1, bytes + bytes_i
    else
      missed = missed + bytes_i
      if name ~= "miss" then errors = errors + 1 end
      if sizes and not sizes[i] then counts.unknown = counts.unknown + 1 end
    end
  end
  counts:got(request, hits, errors, lead, bytes, missed)
  return hits
end


-- Whether what a get did not find would be computed and set.
local function is_computed(self, request, i)
  if not self.recorded then return true end
  return request.statuses ~= nil and request.statuses[i] == "ok"
end


-- Sets what a get did not find, each key once.
local function set_missing(self, request, req, reply)
  local keys, values, n = new_table(reply.n, 0), new_table(reply.n, 0), 0
  local positions = req.positions
  local first = nil
  if positions then
    first = {}
    for i = request.n, 1, -1 do first[positions[i]] = i end
  end
  for j = 1, reply.n do
    local i = first and first[j] or j
    if class[reply[j]] ~= "good" and is_computed(self, request, i) then
      n = n + 1
      keys[n] = req.keys[j]
      values[n] = Values.of(size_of(self, request, i))
    end
  end
  if n == 0 then return end
  local set = setmetatable({ op = "set", n = n, keys = keys, values = values,
    ttl = request.ttl }, Request)
  self.counts:set(set, self.store:run(set))
end


local function do_get_many(self, request)
  local req = Request.new("get", request.keys)
  if self.prefix then req.prefix = true end
  local phase = self.phase
  phase.filling = true
  local reply = self.store:run(req)
  phase.filling = false
  local hits = count_get(self, request, req, reply)
  if hits < request.n and (not self.recorded or request.statuses) then
    set_missing(self, request, req, reply)
  end
  return reply
end


-- The same for a request of one key, without a loop: many traces have no others.
local function do_get_one(self, request)
  local keys, size = request.keys, request.size or self.size
  local phase, counts = self.phase, self.counts
  phase.filling = true
  local reply = self.store:run(setmetatable({ op = "get", n = 1, keys = keys,
    prefix = self.prefix or nil }, Request))
  phase.filling = false
  local name = reply[1]
  if class[name] == "good" then
    local level = reply.levels and reply.levels[1] or 1
    counts.levels[level] = (counts.levels[level] or 0) + 1
    counts:got(request, 1, 0, 1, size, 0)
    return reply
  end
  counts:got(request, 0, name == "miss" and 0 or 1, 0, 0, size)
  if not self.recorded then
    local set = setmetatable({ op = "set", n = 1, keys = keys,
      values = { Values.of(size) }, ttl = request.ttl }, Request)
    counts:set(set, self.store:run(set))
  end
  return reply
end


local function do_set(self, request)
  local req = Request.new("set", request.keys)
  local values, ttls = {}, request.ttls and {} or nil
  for i = 1, request.n do values[i] = Values.of(size_of(self, request, i)) end
  req:with_values(values, request.n, 1)
  for i = 1, ttls and request.n or 0 do
    ttls[req.positions and req.positions[i] or i] = request.ttls[i] or nil
  end
  req.ttl, req.ttls = request.ttl, ttls
  self.counts:set(req, self.store:run(req))
end


local function do_other(self, request)
  local req = Request.new(request.op, request.keys)
  req.ttl = request.ttl
  self.counts:other(req, self.store:run(req))
end


local function do_get(self, request)
  if request.n == 1 and not request.sizes then return do_get_one(self, request) end
  return do_get_many(self, request)
end


local DO = { get = do_get, set = do_set }


local function perform(self, request)
  local run = DO[request.op] or do_other
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
