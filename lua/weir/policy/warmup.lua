-- warmup { cold, warm, ttl = 3600 }: a store that is still empty, in front of one that
-- is full, as mcrouter's WarmUpRoute. A get asks the cold store. What it lacks is read
-- from the warm store and copied to the cold one, in the background. Sets go to the
-- cold store. When the cold store is warm enough, leave the word out.
--
-- A value that is set or deleted here is deleted in the warm store, too: otherwise the
-- old value would come back when the new one leaves the cold store. A copy is made only
-- if the key was not written meanwhile (policy/shared/promotion.lua). A key that could
-- not be deleted in the warm store is suspect: reads pass that store by for it
-- (policy/shared/suspects.lua).

local Arguments = require "weir.policy.shared.arguments"
local Atomic = require "weir.policy.shared.atomic"
local Copies = require "weir.policy.shared.scan_copies"
local Generations = require "weir.policy.shared.generations"
local Lent = require "weir.policy.shared.lent"
local Node = require "weir.policy.shared.node"
local Op = require "weir.core.op"
local Promotion = require "weir.policy.shared.promotion"
local status = require "weir.core.status"
local Suspects = require "weir.policy.shared.suspects"

local Warmup = Node.word "warmup"

local COLD, WARM = 1, 2

Warmup.HELP = "An empty store in front of a full one. What the empty store lacks is "
  .. "read from the full one and copied."
Warmup.EXAMPLE = "warmup { new, old, ttl = 3600 }"
Warmup.OPTIONS = {
  { "ttl", is = "seconds",
    help = "longest time to live of a copy; without it, what the value has left" },
  { "fill_queue", is = "count", default = 1024,
    help = "keys that may wait to be copied; over that the oldest is dropped" },
  { "fill_bytes", is = "size", default = 64 * 2 ^ 20,
    help = "bytes that may wait to be copied; over that the oldest is dropped" },
  Suspects.OPTION,
}


function Warmup.new(given)
  local stores, named = Arguments.stores("warmup", given, 2)
  if #stores ~= 2 then
    error(("warmup: takes two stores, { cold, warm }, not %d"):format(#stores), 0)
  end
  local options = Arguments.read("warmup", Warmup.OPTIONS, named)
  local generations, suspects = Generations.new(), {}
  for i, store in ipairs(stores) do
    suspects[i] = Suspects.new(store, generations, options.old_copies)
  end
  local fills = Promotion.new(generations, options.fill_queue, options.fill_bytes)
  fills.longest = options.ttl
  return Warmup:node { children = stores, generations = generations,
    suspects = suspects, fills = fills, counts = { cold = 0, warm = 0 } }
end


-- ---- reading ----

-- Queues copies of what the warm store had and the cold store answered with a miss.
local function fill(self, req, answer, slots, missed, since)
  for j = 1, answer.n do
    local i = slots[j]
    if answer[j] == "ok" and missed[i] then
      self.fills:add(req.keys[i], Lent.keep(answer.req, answer, j),
        self.children[WARM], { self.children[COLD] }, since)
    end
  end
  self.fills:start()
end


local function read(self, req)
  local reply = self.suspects[COLD]:read(req)
  self.counts.cold = self.counts.cold + reply:count "good"
  local slots = reply:residual_slots()
  if #slots == 0 then return reply end
  local since, missed = self.generations:now(), {}
  for _, i in ipairs(slots) do missed[i] = reply[i] == "miss" end
  local rest = req:subset(slots)
  local answer = self.suspects[WARM]:read(rest)
  answer.req = rest
  self.counts.warm = self.counts.warm + answer:count "good"
  if req.op == "get" and not req.peek then
    fill(self, req, answer, slots, missed, since)
  end
  return reply:merge(answer, slots)
end


-- ---- writing ----

-- Whether the old value is gone from the cold store, or may be.
local function replaced(name)
  return status.class[name] ~= "error" or status.applied[name] ~= "no"
end


local function set(self, req)
  local reply, slots = self.children[COLD]:run(req), {}
  for i = 1, req.n do
    if replaced(reply[i]) then slots[#slots + 1] = i end
  end
  self.suspects[WARM]:invalidate(req, slots, reply)
  return reply
end


-- The warm store first, since the cold one is filled from it.
local function delete(self, req)
  local reply = self.children[WARM]:run(req)
  for i = 1, req.n do
    if status.class[reply[i]] ~= "error" then
      self.suspects[WARM]:clear(req.keys[i])
    end
  end
  return reply:combine(self.children[COLD]:run(req))
end


local function touch(self, req)
  local warm = self.suspects[WARM]
  local reply = warm:touch(req, warm:slots(req))
  return reply:combine(self.children[COLD]:run(req))
end


-- ---- the rest ----

local WRITES = { set = set, delete = delete, touch = touch }

function Warmup:answer(req)
  if Op.lookups[req.op] then return read(self, req) end
  if req.op == "scan" then return Copies.scan(self, req) end
  if Op.atomic[req.op] then return Atomic.refuse(self, req) end
  return self.generations:write(self, req, WRITES[req.op])
end


Warmup.refuses = Atomic.never


-- What tally returns.
Warmup.STATS = {
  { "cold", is = "counter", help = "keys found in the cold store" },
  { "warm", is = "counter", help = "keys found in the warm store only" },
  { "fills", is = "counter", by = "result", help = "copies made, by result" },
  Suspects.STATS[1], Suspects.STATS[2],
}

function Warmup:tally()
  local old, refused = Suspects.stats(self.suspects)
  return { cold = self.counts.cold, warm = self.counts.warm,
    fills = self.fills.counts, old_copies = old, old_copies_refused = refused }
end


function Warmup:plan(op)
  if Op.lookups[op] then
    return "the cold store, then the warm one for what it lacks", self.children
  end
  if op == "set" then
    return "into the cold store; deleted in the warm one", self.children
  end
  return "both stores", self.children
end


return Warmup
