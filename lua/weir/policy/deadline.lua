-- deadline(t): gives the whole operation t seconds, with retries and waits in queues. A
-- deadline only gets nearer on its way down. It treats slots as timeout does. The two
-- words tell a reader which of both is meant.

local Node = require "weir.policy.shared.node"
local Timeout = require "weir.policy.timeout"

local Deadline = Node.word "deadline"
Deadline.REUSES = true

Deadline.HELP = "Limits the time of the whole operation, retries and queues included."
Deadline.EXAMPLE = 'tree:deadline("500ms")'
Deadline.OPTIONS = Timeout.OPTIONS


function Deadline.new(child, ...)
  return Timeout.make(Deadline, child, ...)
end


Deadline.answer = Timeout.answer
Deadline.plan = Timeout.plan
Deadline.fast_path = Node.pass_hits


return Deadline
