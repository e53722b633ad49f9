-- delay { seconds, spread=0, seed=1 }: waits before it passes a batch on, as a slow
-- backend would. spread varies the wait from key to key. It depends on the key and the
-- seed alone, so a key always waits as long. A batch waits as long as its slowest key.

local Arguments = require "weir.policy.shared.arguments"
local Chance = require "weir.policy.shared.chance"
local host = require "weir.host"
local Node = require "weir.policy.shared.node"
local Reply = require "weir.core.reply"

local Delay = Node.word "delay"

Delay.HELP = "Waits before it passes a request on, as a slow store would."
Delay.EXAMPLE = "ram:delay { 0.01, spread = 0.5 }"
Delay.OPTIONS = {
  { "seconds", at = 1, is = "seconds", required = "a time, such as 0.01 or \"10ms\"",
    help = "how long to wait" },
  { "spread", is = "share", default = 0,
    help = "share by which the time differs from key to key" },
  { "seed", is = "whole", default = 1,
    help = "the same seed gives the same times" },
}


function Delay.new(child, ...)
  local given = Arguments.read("delay", Delay.OPTIONS, ...)
  return Delay:node { children = { child }, child = child, immediate = false,
    seconds = given.seconds, spread = given.spread, seed = given.seed }
end


local function longest(self, req)
  if self.spread == 0 then return self.seconds end
  local most = 0
  for i = 1, req.n do
    local share = Chance.of(req.keys[i], self.seed) * 2 - 1
    most = math.max(most, self.seconds * (1 + self.spread * share))
  end
  return most
end


function Delay:answer(req)
  local wait = longest(self, req)
  local left = req.deadline and req.deadline - host.now()
  if left and left < wait then
    host.sleep(left)
    return Reply.uniform(req, "timeout", self.name .. ": slower than the deadline",
      self.name)
  end
  host.sleep(wait)
  return self.child:run(req)
end


function Delay:plan()
  return ("waits %g s"):format(self.seconds), { self.child }
end


return Delay
