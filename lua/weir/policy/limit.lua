-- limit { inflight=, adaptive=, bytes=, rate=, burst=, queue=, order=, shed= }: a
-- bulkhead (resilience4j) by keys and bytes in flight, and by keys a second. A batch
-- that does not fit waits in a queue of at most `queue` batches, in the order of
-- arrival or order="lifo". When the queue is full, slots are skipped, and reply.after
-- says in how many seconds to try again. With adaptive the number of keys in flight is
-- found out (policy/limit/adaptive.lua), from `min` to `max`, beginning at `inflight`.
-- With shed a batch is skipped as soon as it cannot be answered before its deadline, by
-- the time that the store usually takes (policy/limit/service.lua).
--
-- A batch gives its permits back when the store has answered, also if the caller is
-- gone: it runs in a task of its own. A batch that is larger than the limit passes
-- alone. A get of unknown size counts with the mean size of earlier gets.

local Adaptive = require "weir.policy.limit.adaptive"
local Arguments = require "weir.policy.shared.arguments"
local Detach = require "weir.policy.shared.detach"
local host = require "weir.host"
local Lent = require "weir.policy.shared.lent"
local Measure = require "weir.policy.limit.measure"
local Node = require "weir.policy.shared.node"
local Permits = require "weir.policy.limit.permits"
local Reply = require "weir.core.reply"
local Schema = require "weir.observe.schema"
local Service = require "weir.policy.limit.service"

local Limit = Node.word "limit"
Limit.REUSES = "immediate"

Limit.HELP = "Limits the keys and bytes in flight, and the keys a second. What is over "
  .. "the limit waits in a queue or is skipped."
Limit.EXAMPLE = "far:limit { 100, queue = 50 }"
Limit.OPTIONS = {
  { "inflight", at = 1, is = "count",
    help = "keys in flight at most; with adaptive, at the beginning: 20 by default" },
  { "adaptive", is = { "gradient", "vegas" },
    help = "find out how many keys may be in flight from how long requests take",
    values = { gradient = "about 1.5 times what the store can work on at once",
      vegas = "a queue of a few keys in the store" } },
  { "min", is = "count", default = 1, help = "least limit of adaptive, in keys" },
  { "max", is = "count", default = 1000, help = "highest limit of adaptive, in keys" },
  { "bytes", is = "size",
    help = "bytes in flight at most" },
  { "rate", is = "rate",
    help = "keys a second at most" },
  { "burst", is = "count",
    help = "keys that may go at once after a pause; default: those of a second" },
  { "queue", is = "whole", default = 256,
    help = "batches that may wait; over that they are skipped" },
  { "order", is = { "fifo", "lifo" }, default = "fifo",
    help = "which waiting batch goes next",
    values = { fifo = "the one that waits longest", lifo = "the latest" } },
  { "shed", is = "boolean", default = false,
    help = "whether to skip a batch that cannot be answered before its deadline" },
}

local FIRST = 20 -- keys in flight at the beginning, with adaptive


local function check(given)
  if not (given.inflight or given.bytes or given.rate or given.adaptive
    or given.shed) then
    error("limit: needs inflight, adaptive, bytes, rate or shed", 0)
  elseif given.burst and not given.rate then
    error("limit: burst belongs to rate, which is not given", 0)
  elseif given.min > given.max then
    error(("limit: min = %d is over max = %d"):format(given.min, given.max), 0)
  end
end


function Limit.new(child, ...)
  local options = Arguments.read("limit", Limit.OPTIONS, ...)
  check(options)
  local adaptive = options.adaptive and Adaptive.new(options.adaptive,
    options.inflight or FIRST, options.min, options.max)
  local burst = options.burst or options.rate
  return Limit:node {
    children = { child }, child = child, options = options, adaptive = adaptive,
    most_keys = adaptive and adaptive:current() or options.inflight or math.huge,
    most_bytes = options.bytes or math.huge,
    rate = options.rate, burst = burst, tokens = burst, refilled = host.now(),
    keys = 0, bytes = 0, calls = 0, waiting = {}, mean_size = 0, mean_seconds = 0,
    immediate = child.immediate and not (options.rate and options.queue > 0) or false,
    service = options.shed and Service.new(), shed = 0, late = 0, queued = 0,
  }
end


-- ---- a batch ----

local function run_child(self, req, bytes)
  local begun = host.now()
  local ok, reply = pcall(self.child.run, self.child, req)
  if ok then Measure.add(self, req, reply, host.now() - begun, self.keys) end
  Permits.give_back(self, req.n, bytes)
  if not ok then error(reply, 0) end
  return reply
end


-- The same over a store that never waits. Nothing else runs meanwhile, so the batch
-- needs no permit that must be given back. LuaJIT cannot compile a way back through a
-- pcall that begins in another trace.
local function run_at_once(self, req)
  local begun = host.now()
  Permits.pay(self, req.n)
  local reply = self.child:run(req)
  Measure.add(self, req, reply, host.now() - begun, req.n)
  return reply
end


-- An error names the store and the limit, since a tree may have several.
local function complaint(self, why, reason)
  return ("%s of %s: %s: %s"):format(self.name, Node.bottom(self.child).name, why,
    reason)
end


local function skip(self, req, why, reason, after)
  if req.trace then req.trace:decide(self, why .. ": " .. reason) end
  return Reply.uniform(req, "skipped", complaint(self, why, reason), self.name, after)
end


local function run_in_turn(self, req, bytes)
  if Permits.wait(self, req, bytes, Measure.latest(self, req)) then
    return run_child(self, req, bytes)
  end
  if self.service then
    self.late = self.late + req.n
  else
    self.shed = self.shed + req.n
  end
  return skip(self, req, "no turn before the deadline",
    Permits.reason(self, req.n, bytes))
end


local function shed(self, req, bytes)
  self.shed = self.shed + req.n
  local after = math.max(Permits.tokens_after(self, req.n),
    self.mean_seconds * (#self.waiting + 1))
  return skip(self, req, "full", Permits.reason(self, req.n, bytes), after)
end


-- Runs fn in a task of its own. The caller may leave earlier, so the request must not
-- use the caller's memory.
local function detached(self, req, fn, bytes)
  local deadline = not self.bounded and req.deadline or nil
  local reply = Detach.call(deadline, fn, self, Lent.private(req), bytes)
  if not reply then
    return Reply.uniform(req, "timeout", self.child.name .. ": no answer in time",
      self.name)
  end
  return Lent.land(req, reply)
end


-- The reply to a batch that cannot be answered before its deadline, or nil.
local function too_late(self, req, fits)
  local reason = self.service and Measure.too_late(self, req, fits)
  if not reason then return nil end
  self.late = self.late + req.n
  return skip(self, req, "too late", reason)
end


function Limit:answer(req)
  local bytes = Permits.bytes_of(self, req)
  local fits = #self.waiting == 0 and Permits.fits(self, req.n, bytes)
  local late = too_late(self, req, fits)
  if late then return late end
  if fits and self.child.immediate then return run_at_once(self, req) end
  if fits then
    Permits.use(self, req.n, bytes)
    return detached(self, req, run_child, bytes)
  end
  if #self.waiting >= self.options.queue then return shed(self, req, bytes) end
  return detached(self, req, run_in_turn, bytes)
end


--- Takes over what the node before a reload has found out about the store.
function Limit:remember(old)
  self.mean_size, self.mean_seconds = old.mean_size, old.mean_seconds
  if self.service and old.service then self.service = old.service end
  if self.adaptive and old.adaptive then
    self.adaptive:adopt(old.adaptive)
    self.most_keys = self.adaptive:current()
  end
end


-- What tally returns.
Limit.STATS = {
  Schema.INFLIGHT[1], Schema.INFLIGHT[2], Schema.INFLIGHT[3],
  { "waiting", is = "gauge", help = "batches that wait now" },
  { "queued", is = "counter", help = "batches that had to wait" },
  { "shed", is = "counter", help = "keys skipped because the limit was reached" },
  { "late", is = "counter",
    help = "keys skipped because their deadline could not be kept (shed = true)" },
  { "keys_limit", is = "gauge", help = "keys that may be in flight now (adaptive)" },
  { "unloaded", is = "gauge", unit = "seconds",
    help = "time of a request when the store is idle, as measured (adaptive)" },
}

function Limit:tally()
  local adaptive = self.adaptive
  return { inflight = { batches = self.calls, keys = self.keys, bytes = self.bytes },
    waiting = #self.waiting, queued = self.queued, shed = self.shed, late = self.late,
    keys_limit = adaptive and self.most_keys,
    unloaded = adaptive and adaptive.unloaded }
end


function Limit:plan()
  local found = self.adaptive and (", up to %d keys by %s"):format(self.most_keys,
    self.options.adaptive) or ""
  return ("%d batches in flight, %d wait%s"):format(self.calls, #self.waiting, found),
    { self.child }
end


return Limit
