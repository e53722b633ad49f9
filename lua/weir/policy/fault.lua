-- fault { rate=.1, status="unavailable", seed=1 }: answers a share of the keys with a
-- status and does not ask the store for them. The seed, the key and how often the key
-- came decide which. The rest of the batch plays no part. Another attempt draws anew.
-- It is for specs and the REPL. Without a store it is the connector fault.

local Arguments = require "weir.policy.shared.arguments"
local Chance = require "weir.policy.shared.chance"
local Node = require "weir.policy.shared.node"
local Reply = require "weir.core.reply"
local Sightings = require "weir.policy.shared.sightings"
local status = require "weir.core.status"

local Fault = Node.word "fault"

Fault.HELP = "Answers a share of the keys with an error instead of reading the store."
Fault.EXAMPLE = 'ram:fault { 0.1, status = "busy" }'
Fault.OPTIONS = {
  { "rate", at = 1, is = "share", default = 0.1,
    help = "share of the keys that fail" },
  { "status", is = status.names, default = "unavailable",
    help = "the status that these keys get" },
  { "seed", is = "whole", default = 1,
    help = "the same seed makes the same keys fail" },
}


--- `fault { ... }` without a store.
function Fault.connector(options)
  return require("weir.native").open("fault", options)
end


function Fault.new(child, ...)
  local given = Arguments.read("fault", Fault.OPTIONS, ...)
  return Fault:node { children = { child }, child = child, rate = given.rate,
    status = given.status, seed = given.seed, seen = Sightings.new(), injected = 0 }
end


function Fault:answer(req)
  local pass, fail = {}, {}
  for i = 1, req.n do
    local key = req.keys[i]
    local draw = Chance.of(key, self.seed, self.seen:see(key))
    local list = draw < self.rate and fail or pass
    list[#list + 1] = i
  end
  if #fail == 0 then return self.child:run(req) end
  self.injected = self.injected + #fail
  local reply = Reply.new(req)
  local facts = { message = self.name .. ": injected", store = self.name }
  for _, i in ipairs(fail) do reply:set(i, self.status, facts) end
  if #pass > 0 then reply:place(self.child:run(req:subset(pass)), pass) end
  return reply
end


-- What tally returns.
Fault.STATS = {
  { "injected", is = "counter", help = "keys that were given the error" },
}

function Fault:tally()
  return { injected = self.injected }
end


function Fault:plan()
  return ("%s for %g of the keys"):format(self.status, self.rate), { self.child }
end


return Fault
