-- admit { store, predicate, ... }: which values may be stored at all, as the admission
-- policies of CacheLib and LMCache. A set that the predicate refuses gets the status
-- rejected. An older copy of its key is deleted first, since it would be stale. hits(n)
-- counts how often a key was offered, for the last seen=65536 keys. Of several
-- predicates all must agree.

local Arguments = require "weir.policy.shared.arguments"
local Decide = require "weir.policy.shared.decide"
local Node = require "weir.policy.shared.node"
local Op = require "weir.core.op"
local Predicate = require "weir.policy.shared.predicate"
local Reply = require "weir.core.reply"
local status = require "weir.core.status"

local Admit = Node.word "admit"
Admit.REUSES = true

Admit.HELP = "Only values that the predicates agree to are stored. A refused set is "
  .. "rejected, and an older copy is deleted."
Admit.EXAMPLE = "ram:admit(maxsize(64*KiB))"
Admit.OPTIONS = {
  { "seen", is = "count", default = 65536,
    help = "keys counted for hits(n); the key not seen for longest starts anew" },
}


-- Joins the predicates that are given, and reads the options.
local function read(first, ...)
  local list, named = { first, ... }, {}
  if type(first) == "table" and getmetatable(first) ~= Predicate then
    list = { unpack(first) }
    for name, value in pairs(first) do
      if type(name) ~= "number" then named[name] = value end
    end
  end
  local options = Arguments.read("admit", Admit.OPTIONS, named)
  if #list == 0 then error("admit: needs a predicate, such as hits(2)", 0) end
  for i, item in ipairs(list) do
    list[i] = Predicate.of(item, "admit: argument " .. i)
  end
  return #list == 1 and list[1] or Predicate.words.all(unpack(list)), options
end


function Admit.new(child, ...)
  local predicate, options = read(...)
  return Admit:node { children = { child }, child = child,
    decide = Decide.new(predicate, child, options.seen) }
end


local function why(self)
  return ("%s: refused by %s"):format(self.name, self.decide.predicate.name)
end


-- Answers refused slots of an atomic op. It stores nothing, so the value that is there
-- stays the current one. "rejected" would say that the value was another one.
local function deny(self, reply, slots)
  for _, i in ipairs(slots) do
    reply:set(i, "denied", { store = self.name, message = why(self) })
  end
end


-- Answers refused slots. Older copies of their keys are deleted. If a delete fails, the
-- slot gets its error.
local function refuse(self, req, reply, slots)
  if Op.atomic[req.op] then return deny(self, reply, slots) end
  local deletes = req:subset(slots)
  deletes.op, deletes.values, deletes.ttl, deletes.ttls = "delete", nil, nil, nil
  local gone = self.child:run(deletes)
  for j, i in ipairs(slots) do
    if status.class[gone[j]] == "error" then
      reply:adopt(i, gone, j)
    else
      reply:set(i, "rejected", { store = self.name, message = why(self) })
    end
  end
end


function Admit:answer(req)
  if not Op.sends[req.op] then return self.child:run(req) end
  local yes, no = {}, {}
  for i = 1, req.n do
    local size, ttl = #req.values[i], req:ttl_of(i)
    local admitted = self.decide:ask(req.keys[i], size, nil, ttl, req.n)
    local list = admitted and yes or no
    list[#list + 1] = i
  end
  if #no == 0 then return self.child:run(req) end
  local reply = Reply.new(req)
  refuse(self, req, reply, no)
  if #yes > 0 then reply:place(self.child:run(req:subset(yes)), yes) end
  return reply
end


-- What tally returns.
Admit.STATS = {
  { "admitted", is = "counter", help = "values that were let through" },
  { "refused", is = "counter", help = "values that were rejected" },
  { "forgotten", is = "counter", help = "keys dropped from the count of hits" },
}

function Admit:tally()
  return { admitted = self.decide.yes, refused = self.decide.no,
    forgotten = self.decide:forgotten() }
end


function Admit:plan(op)
  if not Op.sends[op] then return "passes", { self.child } end
  return "stores what " .. self.decide.predicate.name .. " allows", { self.child }
end


return Admit
