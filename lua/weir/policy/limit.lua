-- limit { inflight=, bytes=, rate=, queue=, order= }: a bulkhead (resilience4j) by keys
-- and bytes in flight, and by keys a second. A batch that does not fit waits in a queue
-- of at most `queue` batches, in the order of arrival or order="lifo". When the queue
-- is full, slots are skipped, and reply.after says in how many seconds to try again.
--
-- A batch gives its permits back when the store has answered, also if the caller is
-- gone: it runs in a task of its own. A batch that is larger than the limit passes
-- alone. A get of unknown size counts with the mean size of earlier gets.

local Arguments = require "weir.policy.shared.arguments"
local Detach = require "weir.policy.shared.detach"
local host = require "weir.host"
local Lent = require "weir.policy.shared.lent"
local Node = require "weir.policy.shared.node"
local Permits = require "weir.policy.limit.permits"
local Reply = require "weir.core.reply"
local Schema = require "weir.observe.schema"

local Limit = Node.word "limit"

Limit.HELP = "Limits the keys and bytes in flight, and the keys a second. What is over "
  .. "the limit waits in a queue or is skipped."
Limit.EXAMPLE = "far:limit { 100, queue = 50 }"
Limit.OPTIONS = {
  { "inflight", at = 1, is = "count",
    help = "keys in flight at most" },
  { "bytes", is = "size",
    help = "bytes in flight at most" },
  { "rate", is = "rate",
    help = "keys a second at most" },
  { "queue", is = "whole", default = 256,
    help = "batches that may wait; over that they are skipped" },
  { "order", is = { "fifo", "lifo" }, default = "fifo",
    help = "which waiting batch goes next",
    values = { fifo = "the one that waits longest", lifo = "the latest" } },
}

-- The weight of a new observation in a moving mean.
local WEIGHT = 0.05


function Limit.new(child, ...)
  local options = Arguments.read("limit", Limit.OPTIONS, ...)
  if not (options.inflight or options.bytes or options.rate) then
    error("limit: needs inflight, bytes or rate", 0)
  end
  return Limit:node {
    children = { child }, child = child, options = options,
    most_keys = options.inflight or math.huge, most_bytes = options.bytes or math.huge,
    rate = options.rate, tokens = options.rate, refilled = host.now(),
    keys = 0, bytes = 0, calls = 0, waiting = {}, mean_size = 0, mean_seconds = 0,
    immediate = child.immediate and not (options.rate and options.queue > 0) or false,
    shed = 0, queued = 0,
  }
end


-- ---- a batch ----

local function observe(self, req, reply, seconds)
  self.mean_seconds = self.mean_seconds + WEIGHT * (seconds - self.mean_seconds)
  local values = Permits.reads_values(req.op)
  local good = values and (reply.good or reply:count "good") or 0
  if good > 0 then
    local size = reply:bytes() / good
    self.mean_size = self.mean_size + WEIGHT * (size - self.mean_size)
  end
end


local function run_child(self, req, bytes)
  local begun = host.now()
  local ok, reply = pcall(self.child.run, self.child, req)
  Permits.give_back(self, req.n, bytes)
  if not ok then error(reply, 0) end
  observe(self, req, reply, host.now() - begun)
  return reply
end


-- An error names the store and the limit, since a tree may have several.
local function complaint(self, why, reason)
  return ("%s of %s: %s: %s"):format(self.name, Node.bottom(self.child).name, why,
    reason)
end


local function run_in_turn(self, req, bytes)
  if Permits.wait(self, req, bytes) then return run_child(self, req, bytes) end
  self.shed = self.shed + req.n
  return Reply.uniform(req, "skipped", complaint(self, "no turn before the deadline",
    Permits.reason(self, req.n, bytes)), self.name)
end


local function shed(self, req, bytes)
  self.shed = self.shed + req.n
  local after = math.max(Permits.tokens_after(self, req.n),
    self.mean_seconds * (#self.waiting + 1))
  return Reply.uniform(req, "skipped",
    complaint(self, "full", Permits.reason(self, req.n, bytes)), self.name, after)
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


function Limit:answer(req)
  local bytes = Permits.bytes_of(self, req)
  if #self.waiting == 0 and Permits.fits(self, req.n, bytes) then
    Permits.use(self, req.n, bytes)
    if self.child.immediate then return run_child(self, req, bytes) end
    return detached(self, req, run_child, bytes)
  end
  if #self.waiting >= self.options.queue then return shed(self, req, bytes) end
  return detached(self, req, run_in_turn, bytes)
end


-- What tally returns.
Limit.STATS = {
  Schema.INFLIGHT[1], Schema.INFLIGHT[2], Schema.INFLIGHT[3],
  { "waiting", is = "gauge", help = "batches that wait now" },
  { "queued", is = "counter", help = "batches that had to wait" },
  { "shed", is = "counter", help = "keys skipped because the limit was reached" },
}

function Limit:tally()
  return { inflight = { batches = self.calls, keys = self.keys, bytes = self.bytes },
    waiting = #self.waiting, queued = self.queued, shed = self.shed }
end


function Limit:plan()
  return ("%d batches in flight, %d wait"):format(self.calls, #self.waiting),
    { self.child }
end


return Limit
