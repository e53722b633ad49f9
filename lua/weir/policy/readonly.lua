-- readonly(): answers writes with denied and does not send them. Reads pass.

local Arguments = require "weir.policy.shared.arguments"
local Node = require "weir.policy.shared.node"
local Op = require "weir.core.op"
local Reply = require "weir.core.reply"

local Readonly = Node.word "readonly"
Readonly.REUSES = true

Readonly.HELP = "Reads pass; set, delete and touch are denied."
Readonly.EXAMPLE = "far:readonly()"
Readonly.OPTIONS = {}

function Readonly.new(child, ...)
  Arguments.read("readonly", Readonly.OPTIONS, ...)
  return Readonly:node { children = { child }, child = child }
end


function Readonly:answer(req)
  if not Op.writes[req.op] then return self.child:run(req) end
  return Reply.uniform(req, "denied", self.child.name .. ": read only", self.name)
end


Readonly.fast_path = Node.pass_hits


function Readonly:plan(op)
  if Op.writes[op] then return "denied: read only", {} end
  return "reads pass", { self.child }
end


return Readonly
