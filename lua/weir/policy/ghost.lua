-- ghost("candidate.lua"): what another policy file would do with the same traffic,
-- beside it: its stores know keys and sizes, not values (replay/models.lua), and open
-- nothing. tally() has its hits beside those of the tree it watches, and what each of
-- its stores would have read and written.
--
-- A request only puts itself in a ring; a task shows it to the candidate up to 50 ms
-- later, a few keys at a time. When the ring is full a batch is dropped and counted.
-- What the candidate misses and the tree had is set in the candidate with the size the
-- tree answered: the application would have computed it. A candidate that fails is
-- counted, and changes no reply.

local Arguments = require "weir.policy.shared.arguments"
local Load = require "weir.language.load"
local Models = require "weir.replay.models"
local Node = require "weir.policy.shared.node"
local Op = require "weir.core.op"
local Request = require "weir.core.request"
local Paths = require "weir.observe.paths"
local Ring = require "weir.policy.record.ring"
local Values = require "weir.replay.models.values"
local host = require "weir.host"
local status = require "weir.core.status"

local Ghost = Node.word "ghost"
Ghost.REUSES = true

Ghost.HELP = "Shows the same traffic to another policy file whose stores keep no "
  .. "values, and counts what it would have done."
Ghost.EXAMPLE = 'tree:ghost "candidate.lua"'
Ghost.OPTIONS = {
  { "file", at = 1, is = "path", required = "the path of a policy file",
    help = "the candidate" },
  { "queue", is = "count", default = 65536,
    help = "keys that may wait to be shown; more are dropped and counted" },
  { "keys", is = "count", default = 1000000,
    help = "keys that a store of the candidate without a capacity knows at most" },
}

local OK = status.number.ok

-- Keys that are shown before others get their turn.
local AT_ONCE = 256


function Ghost.new(child, ...)
  local given = Arguments.read("ghost", Ghost.OPTIONS, ...)
  local node = Ghost:node { children = { child }, child = child, file = given.file,
    shown = 0, hits = 0, main_hits = 0, gets = 0, failures = 0,
    -- The candidate's stores keep time by whichever host runs.
    world = Models.world(host, { most_items = given.keys }) }
  node.candidate = Load.build(given.file, { stores = Models.words(node.world) })
  Paths.each(node.candidate, function(store)
    if store.unsaved then store.unsaved:without_journal() end
  end)
  node.ring = Ring.new(given.queue, function(ring) node:drain(ring) end)
  return node
end


function Ghost:answer(req)
  local reply = self.child:run(req)
  if req.op ~= "scan" and not req.peek then self.ring:add(req, reply) end
  return reply
end


-- The next batch of the ring: a request, the sizes and what the tree answered.
local function next_batch(ring)
  local batch = ring:batch()
  if not batch then return nil end
  local req = setmetatable({ n = 0, keys = {}, ttls = {} }, Request)
  local sizes, answers = {}, {}
  repeat
    local slot, key = ring:take()
    local n = req.n + 1
    req.n, req.op, req.keys[n] = n, Op.names[slot.op], key
    sizes[n], answers[n] = slot.size, slot.status
    req.ttls[n] = slot.ttl > 0 and slot.ttl or nil
  until ring:batch() ~= batch
  return req, sizes, answers
end


local function values_of(sizes, n)
  local values = {}
  for i = 1, n do values[i] = Values.of(sizes[i]) end
  return values
end


-- Sets in the candidate what it missed and the tree had.
local function fill(self, req, reply, sizes, answers)
  local keys, values, n = {}, {}, 0
  for i = 1, req.n do
    if reply[i] ~= "ok" and answers[i] == OK then
      n = n + 1
      keys[n], values[n] = req.keys[i], Values.of(sizes[i])
    end
  end
  if n == 0 then return end
  self.candidate:run(setmetatable({ op = "set", n = n, keys = keys, values = values },
    Request))
end


local function show(self, req, sizes, answers)
  if req.op == "set" then req.values = values_of(sizes, req.n) end
  local phase = self.world.phase
  phase.filling = req.op == "get"
  local reply = self.candidate:run(req)
  phase.filling = false
  if req.op ~= "get" then return end
  self.gets = self.gets + req.n
  for i = 1, req.n do
    if reply[i] == "ok" then self.hits = self.hits + 1 end
    if answers[i] == OK then self.main_hits = self.main_hits + 1 end
  end
  fill(self, req, reply, sizes, answers)
end


--- Shows the candidate what waits in the ring.
function Ghost:drain(ring)
  local req, sizes, answers = next_batch(ring)
  local since = 0
  while req do
    local ok, err = pcall(show, self, req, sizes, answers)
    if not ok then
      self.failures, self.last_failure = self.failures + 1, tostring(err)
    end
    self.shown, since = self.shown + req.n, since + req.n
    if since >= AT_ONCE then
      host.sleep(0)
      since = 0
    end
    req, sizes, answers = next_batch(ring)
  end
end


local function store_facts(meter)
  local get, set = meter.ops.get or {}, meter.ops.set or {}
  return { gets = get.keys or 0, hits = get.ok or 0, read = get.bytes or 0,
    sets = set.keys or 0, written = set.bytes or 0 }
end


-- The numbers of tally, as observe/schema.lua declares them.
Ghost.STATS = {
  { "candidate", is = "text", help = "the policy file" },
  { "gets", is = "counter", help = "keys that were shown to the candidate" },
  { "hits", is = "counter", help = "keys that the candidate had" },
  { "main_hits", is = "counter", help = "keys that the tree had" },
  { "dropped", is = "counter", help = "keys that were not shown: the queue was full" },
  { "waiting", is = "gauge", help = "keys that wait to be shown" },
  { "failures", is = "counter", help = "requests at which the candidate failed" },
  { "last_failure", is = "text", help = "the last of these errors" },
  { "stores", is = "table", help = "by store of the candidate: gets, hits, sets, bytes "
    .. "read and written" },
}


function Ghost:tally()
  local stores = {}
  for _, entry in ipairs(self.world.stores) do
    stores[entry.meter.label] = store_facts(entry.meter)
  end
  return { candidate = self.file, gets = self.gets, hits = self.hits,
    main_hits = self.main_hits, dropped = self.ring.dropped,
    waiting = self.ring:count(), failures = self.failures,
    last_failure = self.last_failure, stores = stores }
end


--- Closes the candidate, too.
function Ghost:begin_close(opts)
  self:drain(self.ring)
  pcall(self.candidate.close, self.candidate, opts)
  return Node.begin_close(self, opts)
end


return Ghost
