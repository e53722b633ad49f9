-- fail "busy": a store that answers every slot with one status. It is for specs, and to
-- try in the REPL how a policy treats that status.

local Arguments = require "weir.policy.shared.arguments"
local Node = require "weir.policy.shared.node"
local Reply = require "weir.core.reply"
local status = require "weir.core.status"

local Fail = Node.word "fail"

Fail.HELP = "A store that answers every key with one status."
Fail.EXAMPLE = 'fail "unavailable"'
Fail.OPTIONS = {
  { "status", at = 1, is = status.names, required = "a status such as \"busy\"",
    help = "the status" },
}


function Fail.new(...)
  local given = Arguments.read("fail", Fail.OPTIONS, ...)
  return Fail:node { status = given.status, name = "fail " .. given.status }
end


function Fail:answer(req)
  return Reply.uniform(req, self.status, self.name, self.name)
end


function Fail:plan()
  return "answers " .. self.status, {}
end


return Fail
