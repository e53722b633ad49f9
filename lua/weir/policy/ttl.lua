-- ttl(t, { max=, force=, jitter=, stale=, refresh=, lease=, pause=, keys=65536 }):
-- gives values that are set without a time to live t seconds. jitter takes up to that
-- share off, for each key, so that values stored together do not expire together.
--
-- max cuts longer times, and none, to so many seconds. force = true gives all values t.
-- Both hold for touch, too (mcrouter's ModifyExptimeRoute: min, set).
--
-- stale (seconds): a value past its time is kept so much longer and served, marked
-- stale, while one caller refreshes it. That caller is the first one: it gets a miss
-- (marked stale, since the key exists) and is expected to store a new value. With
-- refresh = fn(key) -> value a background task does that, and no caller gets a miss.
-- (memcached's meta commands: win, stale.)
--
-- stale_if_error (seconds): a value past its time is kept so much longer, for callers
-- whose refresh fails. The miss that a caller gets to refresh a value carries the old
-- one (reply.held): a tier above serves it if the stores below fail, and so does fetch
-- if its loader does. Past `stale`, every caller gets such a miss.
--
-- A refresher has a lease of `lease` seconds. Then another one is chosen. The default
-- is a tenth of t, from 1 to 10 s; with refresh 10 s; and never over half of stale.
-- After a refresh that fails (an error, nil, or a value that could not be stored) the
-- next one waits for `pause` seconds, by default a tenth of t, plus a random time of up
-- to as much again.
--
-- Over a store that tells of changes by others, a refresh that began before a change
-- does not store its value. The times stay: own writes are told as changes, too.
--
-- Over a store that processes share (shm, or a tier or mirror with one) a refresh does
-- not store its value if any process has written the key meanwhile, and one process of
-- a machine has the lease. When a value stops being fresh is worked out from the time
-- that the store says is left (policy/ttl/shared.lua). So all processes must keep
-- values for the same time past theirs, and every value with a time to live must be set
-- through a ttl like this one.
--
-- Otherwise the node knows the times of values that were set through it, for at most
-- `keys` keys.
-- Other values are fresh as long as they live. When there is no room for the time of a
-- value, it is set without the stale time, so it ends on time, and is counted
-- (untimed).

local Atomic = require "weir.policy.shared.atomic"
local Given = require "weir.policy.ttl.given"
local host = require "weir.host"
local Generations = require "weir.policy.shared.generations"
local Node = require "weir.policy.shared.node"
local Op = require "weir.core.op"
local Refresh = require "weir.policy.ttl.refresh"
local Setting = require "weir.policy.ttl.setting"
local Shared = require "weir.policy.ttl.shared"
local status = require "weir.core.status"
local Times = require "weir.policy.ttl.times"

local Ttl = Node.word "ttl"
Ttl.REUSES = "immediate"

Ttl.HELP = "Values that are set without a time to live get one. With stale, an expired "
  .. "value is served while one caller refreshes it."
Ttl.EXAMPLE = "ram:ttl(60, { jitter = 0.1, stale = 10 })"
Ttl.OPTIONS = Given.OPTIONS

-- What stat says of a value past its time, in seconds.
local LEAST = 0.001


-- Makes a node. Without given.seconds values have only the times they are set with.
local function make(child, given)
  local keep = math.max(given.stale or 0, given.stale_if_error or 0)
  keep = keep > 0 and keep or nil
  local shared = keep and child.guard and Shared.new(child, keep, given.keys) or nil
  local node = Ttl:node {
    children = { child }, child = child, seconds = given.seconds, max = given.max,
    force = given.force, jitter = given.jitter, keep = keep, stale = given.stale or 0,
    stale_if_error = given.stale_if_error or 0,
    refresh = given.refresh, most = given.keys,
    lease = keep and Given.lease(given), pause = keep and Given.pause(given),
    times = keep and not shared and Times.new(given.keys, keep) or nil,
    shared = shared, guard = child.guard,
    generations = given.refresh and Generations.new() or nil,
    counts = { stale = 0, refreshes = 0, failed = 0, untimed = 0 },
  }
  if node.generations and node:can_tell() then
    node.generations:watch()
    node:listen_below()
  end
  return node
end


--- A node that keeps old values of a store, for tier.
---@param child weir.Store
---@param stale number? seconds
---@param stale_if_error number? seconds
---@param keys integer
function Ttl.keeper(child, stale, stale_if_error, keys)
  return make(child, { jitter = 0, stale = stale, stale_if_error = stale_if_error,
    keys = keys })
end


function Ttl.new(child, ...)
  return make(child, Given.read(...))
end


-- Whether any value may be past its time.
local function may_be_past(self)
  return self.shared ~= nil or self.keep ~= nil and self.times.count > 0
end


-- Until when the values of a reply are fresh, by slot.
local function times_of(self, req, reply)
  if self.shared then return self.shared:times(req, reply) end
  local times = {}
  for i = 1, req.n do
    times[i] = reply[i] == "ok" and self.times:get(req.keys[i]) or nil
  end
  return times
end


local function get(self, req)
  local reply = self.child:run(req)
  if not may_be_past(self) then return reply end
  local times, now = times_of(self, req, reply), host.now()
  for i = 1, req.n do
    local by = times[i]
    if by and req.peek then
      reply:set(i, "ok", { ttl = by - now, stale = by <= now })
    elseif by and by <= now then
      Refresh.past(self, req, reply, i, now, by)
    end
  end
  return reply
end


--- The times of values that are kept past them must be looked at.
function Ttl:fast_path()
  return not self.keep and self.child or nil
end


-- The seconds for which a value is fresh. left: those that it lives.
local function fresh_left(self, key, left, now)
  if self.shared then return left and left - self.keep end
  local by = self.times:get(key)
  return by and by - now
end


-- The time that is left is the one for which the value is fresh.
local function stat(self, req)
  local reply = self.child:run(req)
  if not may_be_past(self) then return reply end
  local now = host.now()
  for i = 1, req.n do
    local left = reply[i] == "ok" and fresh_left(self, req.keys[i], reply:ttl(i), now)
    if left then reply:note("ttls", i, math.max(left, LEAST)) end
  end
  return reply
end


local function delete(self, req)
  local reply = self.child:run(req)
  for i = 1, self.times and req.n or 0 do
    if status.class[reply[i]] ~= "error" then self.times:drop(req.keys[i]) end
  end
  return reply
end


-- An atomic op gives a value that it may create the time of a set.
local function pass(self, req)
  local refused = Op.atomic[req.op] and Atomic.refuse(self, req)
  if refused then return refused end
  if req.op == "gat" then return Setting.touch(self, req) end
  local creates = Op.sends[req.op] or req.op == "incr"
  return creates and Setting.set(self, req) or self.child:run(req)
end


--- A value past its time that is kept is there for the store, but not for callers.
function Ttl:refuses()
  return self.keep and "it keeps values past their time" or nil
end


local OPS = {
  set = Setting.set, get = get, touch = Setting.touch, delete = delete, stat = stat,
}

-- A refresh that began before a write must not store the old value again. A touch
-- writes no value.
function Ttl:answer(req)
  local op = OPS[req.op] or pass
  local written = self.generations and Op.writes[req.op] and req.op ~= "touch"
  if written then self.generations:bump(req) end
  local reply = op(self, req)
  if written then self.generations:bump(req) end
  return reply
end


function Ttl:hear(event, what, source)
  local generations = self.generations
  if generations and generations.elsewhere then
    if event == "changed" then
      generations:changed(what)
    else
      generations:changed_all()
    end
  end
  Node.hear(self, event, what, source)
end


function Ttl:forget()
  if self.times then self.times = Times.new(self.most, self.keep) end
end


function Ttl:remember(old)
  if self.shared and old.shared then self.shared.leases = old.shared.leases end
  if not self.times or not old.times then return end
  self.times = old.times
  self.times.most = self.most
  self.times.keep = math.max(self.times.keep, self.keep)
end


-- What tally returns.
Ttl.STATS = {
  { "stale", is = "counter", help = "expired values served" },
  { "refreshes", is = "counter", help = "refreshes begun" },
  { "failed", is = "counter", help = "refreshes that failed" },
  { "untimed", is = "counter", help = "values set without a stale time: no room" },
  { "known", is = "gauge", help = "values whose times are remembered" },
}

function Ttl:tally()
  local counts = self.counts
  return { stale = counts.stale, refreshes = counts.refreshes, failed = counts.failed,
    untimed = counts.untimed, known = self.times and self.times.count }
end


function Ttl:plan(op)
  local seconds, max = self.seconds, self.max
  if self.force and (op == "set" or op == "touch") then
    return ("to live %g s, whatever is asked for"):format(seconds), { self.child }
  elseif max and (op == "set" or op == "touch") then
    return ("to live %g s, at most %g s"):format(seconds or max, max), { self.child }
  elseif op == "set" and seconds then
    return ("to live %g s"):format(seconds), { self.child }
  end
  return "passes", { self.child }
end


return Ttl
