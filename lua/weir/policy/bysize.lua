-- bysize { {64*KiB, a}, {1*MiB, b}, c }: sorts values by size into classes, each with a
-- store that suits it. A set goes to the first class that is large enough, and deletes
-- the copies in the other classes. A copy that cannot be deleted is suspect: reads pass
-- it by until it is deleted (policy/shared/suspects.lua). A get tries the classes in
-- order. It is a miss only if all of them said so. Deletes go to all classes.

local Arguments = require "weir.policy.shared.arguments"
local Atomic = require "weir.policy.shared.atomic"
local Copies = require "weir.policy.shared.scan_copies"
local Generations = require "weir.policy.shared.generations"
local Node = require "weir.policy.shared.node"
local Op = require "weir.core.op"
local Parallel = require "weir.policy.shared.parallel"
local Reply = require "weir.core.reply"
local Suspects = require "weir.policy.shared.suspects"

local Bysize = Node.word "bysize"

local BOUND = {
  { "the size", at = 1, is = "size", required = "a size and a store" },
  { "store", at = 2, is = "any", required = "a size and a store" },
}


Bysize.HELP = "Each value goes to the first store whose size limit it fits. A get "
  .. "tries the stores in order."
Bysize.EXAMPLE = "bysize { { 64*KiB, a }, { 1*MiB, b }, c }"
Bysize.OPTIONS = { Suspects.OPTION }


-- Reads an item: { size, store }, or a store alone for all larger values.
local function class_of(given, i, n)
  if type(given) == "table" and type(given.run) == "function" then
    if i < n then
      error(("bysize: item %d has no size; only the last may"):format(i), 0)
    end
    return math.huge, given
  end
  local row = Arguments.read("bysize: item " .. i, BOUND, given)
  return row["the size"], Arguments.store("bysize", "item " .. i, row.store)
end


function Bysize.new(given)
  if type(given) ~= "table" or #given == 0 then
    error("bysize: takes a list of { size, store }, the last may be a store", 0)
  end
  local children, bounds, generations = {}, {}, Generations.new()
  local suspects, named = {}, {}
  for name, value in pairs(given) do
    if type(name) ~= "number" then named[name] = value end
  end
  local options = Arguments.read("bysize", Bysize.OPTIONS, named)
  for i, item in ipairs(given) do
    bounds[i], children[i] = class_of(item, i, #given)
    suspects[i] = Suspects.new(children[i], generations, options.old_copies)
    if i > 1 and bounds[i] <= bounds[i - 1] then
      error(("bysize: item %d is not larger than the one before"):format(i), 0)
    end
  end
  return Bysize:node { children = children, bounds = bounds,
    generations = generations, suspects = suspects }
end


local function class_for(self, size)
  for i = 1, #self.bounds do
    if size <= self.bounds[i] then return i end
  end
end


local function read_classes(self, req)
  local reply = self.suspects[1]:read(req)
  for i = 2, #self.children do
    local slots = reply:residual_slots()
    if #slots == 0 then break end
    reply:merge(self.suspects[i]:read(req:subset(slots)), slots)
  end
  return reply
end


-- A value that changes its class during a read may have been in neither store when that
-- store was asked. Such misses are read once more.
local function read(self, req)
  local since = self.generations:now()
  local reply, slots = read_classes(self, req), {}
  for i = 1, reply:all "good" and 0 or req.n do
    if reply[i] == "miss" and not self.generations:quiet(req.keys[i], since) then
      slots[#slots + 1] = i
    end
  end
  if #slots > 0 then reply:place(read_classes(self, req:subset(slots)), slots) end
  return reply
end


-- The store has the value, or does not admit it and has deleted its older one. In both
-- cases no other store may answer with an older copy.
local DECIDED = { ok = true, rejected = true }

-- Stores the values of one class, and deletes their copies in the others.
local function store_class(self, req, class, reply, slots)
  local answer = self.children[class]:run(req:subset(slots))
  local decided = {}
  for j, i in ipairs(slots) do
    if DECIDED[answer[j]] then
      decided[#decided + 1] = i
      self.suspects[class]:clear(req.keys[i])
    end
  end
  reply:place(answer, slots)
  for other = 1, #self.children do
    if other ~= class and #decided > 0 then
      local moved = self.suspects[other]:invalidate(req, decided, reply)
      if moved then self.generations:moved() end
    end
  end
end


local function set(self, req)
  local reply, lists = Reply.new(req), {}
  for i = 1, req.n do
    local class = class_for(self, #req.values[i])
    if class then
      lists[class] = lists[class] or {}
      table.insert(lists[class], i)
    else
      reply:set(i, "toobig", { size = #req.values[i], store = self.name,
        message = ("bysize: no class takes %d bytes"):format(#req.values[i]) })
    end
  end
  for class = 1, #self.children do
    if lists[class] then store_class(self, req, class, reply, lists[class]) end
  end
  return reply
end


-- Sends a delete or touch to every class at once.
local function everywhere(self, req)
  local requests = {}
  for i = 1, #self.children do requests[i] = req end
  local stores = req.op == "touch" and Suspects.touchers(self.suspects) or self.children
  local replies = Parallel.run(stores, requests, #stores)
  local reply = replies[1]
  for i = 2, #replies do reply:combine(replies[i]) end
  return reply
end


local WRITES = { set = set, delete = everywhere, touch = everywhere }

function Bysize:answer(req)
  if Op.lookups[req.op] then return read(self, req) end
  if req.op == "scan" then return Copies.scan(self, req) end
  local write = WRITES[req.op]
  if not write then return Atomic.refuse(self, req) end
  return self.generations:write(self, req, write)
end


Bysize.refuses = Atomic.never


-- What tally returns.
Bysize.STATS = { Suspects.STATS[1], Suspects.STATS[2] }

function Bysize:tally()
  local old, refused = Suspects.stats(self.suspects)
  return { old_copies = old, old_copies_refused = refused }
end


function Bysize:plan(op)
  if op == "set" then return "the class of its size; the others lose their copy",
    self.children end
  return Op.lookups[op] and "the classes in order" or "every class", self.children
end


return Bysize
