-- limit { inflight=, bytes=, rate=, queue=, order= }: a bulkhead (resilience4j) by
-- keys and by bytes on their way, and by keys a second. What does not fit waits, at
-- most `queue` batches, first come first served or order="lifo"; over that, slots
-- are skipped and reply.after says in how many seconds to come back.
--
-- Permits are given back when the store has answered, whatever became of the
-- caller: batches run detached. A batch larger than the limit passes alone. Gets
-- whose size nobody knows are taken at the mean of what was read before.

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

-- How much a new observation moves a mean.
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


local function ask(self, req, bytes)
  local begun = host.now()
  local ok, reply = pcall(self.child.run, self.child, req)
  Permits.give_back(self, req.n, bytes)
  if not ok then error(reply, 0) end
  observe(self, req, reply, host.now() - begun)
  return reply
end


-- An error names the store and the limit: a tree may have several.
local function complaint(self, why, reason)
  return ("%s of %s: %s: %s"):format(self.name, Node.bottom(self.child).name, why,
    reason)
end


local function ask_in_turn(self, req, bytes)
  if Permits.wait(self, req, bytes) then return ask(self, req, bytes) end
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


-- The caller may leave earlier, so it lends nothing.
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
    Permits.take(self, req.n, bytes)
    if self.child.immediate then return ask(self, req, bytes) end
    return detached(self, req, ask, bytes)
  end
  if #self.waiting >= self.options.queue then return shed(self, req, bytes) end
  return detached(self, req, ask_in_turn, bytes)
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
  return ("%d batches on their way, %d wait"):format(self.calls, #self.waiting),
    { self.child }
end


return Limit
