-- tap(fn): calls fn(request, reply) after each batch, for logs and counters of the
-- user's own. fn must not change them. An error in fn is counted and changes no reply.

local Arguments = require "weir.policy.shared.arguments"
local Node = require "weir.policy.shared.node"

local Tap = Node.word "tap"

Tap.HELP = "Calls a function with each request and its reply. The function changes "
  .. "neither."
Tap.EXAMPLE = "far:tap(function(req, reply) print(req.op, reply[1]) end)"
Tap.OPTIONS = {
  { "fn", at = 1, is = "callable", required = "a function (request, reply)",
    type = "fun(req: weir.Request, reply: weir.Reply)",
    help = "the function; an error in it is counted and changes no reply" },
}


function Tap.new(child, ...)
  local given = Arguments.read("tap", Tap.OPTIONS, ...)
  return Tap:node { children = { child }, child = child, fn = given.fn,
    immediate = false, bounded = false, failures = 0 }
end


function Tap:answer(req)
  local reply = self.child:run(req)
  local ok, err = pcall(self.fn, req, reply)
  if not ok then self.failures, self.last_failure = self.failures + 1, tostring(err) end
  return reply
end


-- What tally returns.
Tap.STATS = {
  { "failures", is = "counter", help = "errors raised by the function" },
  { "last_failure", is = "text", help = "the last of them" },
}

function Tap:tally()
  return { failures = self.failures, last_failure = self.last_failure }
end


return Tap
