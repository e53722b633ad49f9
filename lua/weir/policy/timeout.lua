-- timeout(t): gives the store below t seconds for each request. Over a retry that is
-- the time for all attempts, below a retry for each. Slots that were answered keep
-- their answer, slots in flight become timeout, slots that were not sent stay skipped.
--
-- A deadline travels with the request. Connectors and words keep it (such stores are
-- `bounded`), so this word only makes it nearer. The request to a store that does not
-- keep it runs in a task of its own, with memory of its own, and is abandoned at the
-- deadline.

local Arguments = require "weir.policy.shared.arguments"
local Detach = require "weir.policy.shared.detach"
local host = require "weir.host"
local Lent = require "weir.policy.shared.lent"
local Node = require "weir.policy.shared.node"
local Reply = require "weir.core.reply"

local Timeout = Node.word "timeout"
Timeout.REUSES = true

Timeout.HELP = "Limits the time of each request. Keys without a reply by then get "
  .. "timeout."
Timeout.EXAMPLE = "far:timeout(0.05)"
Timeout.OPTIONS = {
  { "seconds", at = 1, is = "seconds", required = "a time, such as 0.05 or \"50ms\"",
    help = "how long a request may take" },
}


--- Used by deadline, too.
function Timeout.make(class, child, ...)
  local given = Arguments.read(class.word, Timeout.OPTIONS, ...)
  return class:node {
    children = { child }, child = child, seconds = given.seconds, bounded = true,
  }
end


function Timeout.new(child, ...)
  return Timeout.make(Timeout, child, ...)
end


-- Runs a request on a store that may answer after the deadline.
local function run_detached(self, req, inner)
  local child = self.child
  local private = Lent.private(inner)
  local reply = Detach.call(inner.deadline, child.run, child, private)
  if not reply then
    return Reply.uniform(req, "timeout",
      ("%s: no answer within %g s"):format(child.name, self.seconds), self.name)
  end
  return Lent.land(req, reply)
end


function Timeout:answer(req)
  local by, child = host.now() + self.seconds, self.child
  if not child.bounded then return run_detached(self, req, req:within(by)) end
  local inner = req:relend(by)
  local reply = child:run(inner)
  inner:give_back()
  return reply
end


Timeout.fast_path = Node.pass_hits


function Timeout:plan()
  return ("within %g s"):format(self.seconds), { self.child }
end


return Timeout
