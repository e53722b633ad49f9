-- deadline(t): the whole operation, retries and waits in queues included, has t
-- seconds. Deadlines only shrink on their way down. The same as timeout in what
-- happens to a slot; the word says which of the two is meant.

local Node = require "weir.policy.shared.node"
local Timeout = require "weir.policy.timeout"

local Deadline = Node.word "deadline"

Deadline.HELP = "Limits the time of the whole operation, retries and queues included."
Deadline.EXAMPLE = 'tree:deadline("500ms")'
Deadline.OPTIONS = Timeout.OPTIONS


function Deadline.new(child, ...)
  return Timeout.make(Deadline, child, ...)
end


Deadline.answer = Timeout.answer
Deadline.plan = Timeout.plan


return Deadline
