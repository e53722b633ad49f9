-- meter "name": counts the requests that pass under a name of the user's. Every node
-- counts. This one keeps its place in stats() and in Prometheus when the tree around it
-- changes.

local Arguments = require "weir.policy.shared.arguments"
local Node = require "weir.policy.shared.node"

local Meter = Node.word "meter"
Meter.REUSES = true

Meter.HELP = "Counts requests under a name that stays when the tree changes."
Meter.EXAMPLE = 'far:meter "checkout"'
Meter.OPTIONS = {
  { "label", at = 1, is = "name", required = "a name such as \"checkout\"",
    help = "the name in stats() and in Prometheus" },
}


function Meter.new(child, ...)
  local given = Arguments.read("meter", Meter.OPTIONS, ...)
  return Meter:node { children = { child }, child = child, title = given.label,
    label = given.label }
end


function Meter:answer(req)
  return self.child:run(req)
end


Meter.fast_path = Node.pass_hits


-- What tally returns.
Meter.STATS = { { "label", is = "text", help = "the name given" } }

function Meter:tally()
  return { label = self.label }
end


return Meter
