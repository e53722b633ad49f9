-- chunk { "8MiB" }: values over a size are stored in pieces of that size, under keys of
-- their own (chunk/pieces.lua), with a head under the key of the value. For stores that
-- limit the size of a value, or serve others badly while they move a large one. Each
-- step of a request is one request to the store below, for all keys.
--
-- Reads: chunk/read.lua. Writes: chunk/write.lua. Pieces without a head:
-- chunk/sweep.lua.

local Arguments = require "weir.policy.shared.arguments"
local Atomic = require "weir.policy.shared.atomic"
local Ffi = require "weir.ffi"
local Generations = require "weir.policy.shared.generations"
local Node = require "weir.policy.shared.node"
local Op = require "weir.core.op"
local Page = require "weir.policy.shared.scan_page"
local Pieces = require "weir.policy.chunk.pieces"
local Read = require "weir.policy.chunk.read"
local Reply = require "weir.core.reply"
local Write = require "weir.policy.chunk.write"

local Chunk = Node.word "chunk"
Chunk.c = Ffi.C

Chunk.HELP = "The store below holds large values in pieces, under keys of their own."
Chunk.EXAMPLE = 'far:chunk "8MiB"'
Chunk.OPTIONS = {
  { "bytes", at = 1, is = "size", default = 8 * 2 ^ 20,
    help = "larger values are cut into pieces of so many bytes" },
  { "plain", is = { "refuse", "accept" }, default = "refuse",
    help = "what a get does with a value that was stored without this word",
    values = { refuse = "it is corrupt",
      accept = "it is returned as it is, as while a store is being changed over" } },
  { "max", is = "size", default = 2 ^ 30,
    help = "bytes of a whole value; a larger one is toobig" },
}


function Chunk.new(child, ...)
  local given = Arguments.read("chunk", Chunk.OPTIONS, ...)
  if given.bytes < 1 then error("chunk: bytes is at least 1", 0) end
  return Chunk:node { children = { child }, child = child, bytes = given.bytes,
    max = given.max, plain = given.plain == "accept", generations = Generations.new(),
    most_pieces = Ffi.codec().WEIR_PIECES_MAX, removals = 0,
    counts = { cut = 0, pieces = 0, joined = 0, plain = 0, corrupt = 0, broken = 0,
      left = 0, swept = 0 } }
end


-- ---- requests ----

local function scan(self, req)
  local reply = self.child:run(req)
  if reply[1] ~= "ok" then return reply end
  Page.filter(reply, function(keys)
    local keep = {}
    for i, key in ipairs(keys) do keep[i] = not Pieces.is_piece(key) end
    return keep
  end)
  return reply
end


local READS = { get = Read.get, exists = Read.look, stat = Read.look, scan = scan }
local WRITES = { set = Write.set, delete = Write.delete, touch = Write.touch }

local function answer(self, req)
  -- A head without bytes says nothing: such a value is stored whole.
  if self.bodiless then return self.child:run(req) end
  if READS[req.op] then return READS[req.op](self, req) end
  local write = WRITES[req.op]
  if write then return self.generations:write(self, req, write) end
  return Atomic.refuse(self, req)
end


-- They would have to look at all pieces at once.
function Chunk.refuses()
  return "the store holds large values in pieces"
end


-- The slots whose keys are not those of pieces, or nil: all.
local function keys_only(req)
  local found = false
  for i = 1, req.n do found = found or Pieces.is_piece(req.keys[i]) end
  if not found or Op.prefix[req.op] then return nil end
  local slots = {}
  for i = 1, req.n do
    if not Pieces.is_piece(req.keys[i]) then slots[#slots + 1] = i end
  end
  return slots
end


function Chunk:answer(req)
  local slots = keys_only(req)
  if not slots then return answer(self, req) end
  local reply = Reply.uniform(req, "invalid",
    self.name .. ": the key ends as those of pieces do", self.name)
  if #slots > 0 then reply:place(answer(self, req:subset(slots)), slots) end
  return reply
end


--- Passes changes on. A piece that changed is a change of its value.
function Chunk:hear(event, what, source)
  if event == "changed" then
    local keys, seen = {}, {}
    for _, key in ipairs(what) do
      local owner = Pieces.is_piece(key) and Pieces.owner(key) or key
      if not seen[owner] then
        seen[owner] = true
        keys[#keys + 1] = owner
      end
    end
    what = keys
  end
  Node.hear(self, event, what, source)
end


-- ---- looking ----

-- What tally returns.
Chunk.STATS = {
  { "cut", is = "counter", help = "values that were set in pieces" },
  { "pieces", is = "counter", help = "pieces of these" },
  { "joined", is = "counter", help = "values that were read in pieces" },
  { "plain", is = "counter", help = "values read that were stored without this word" },
  { "corrupt", is = "counter", help = "values with a wrong head or a wrong piece" },
  { "broken", is = "counter", help = "misses because a piece was not there any more" },
  { "left", is = "counter", help = "pieces not removed, for an error" },
  { "swept", is = "counter", help = "pieces removed by sweep" },
}

function Chunk:tally()
  local copy = {}
  for name, count in pairs(self.counts) do copy[name] = count end
  return copy
end


function Chunk:remember(old)
  self.counts = old.counts
end


local PLANS = { get = "its value, or the head and then the pieces",
  set = "the pieces of a large value, then its head", scan = "leaves out the pieces",
  delete = "the head, then the pieces" }

function Chunk:plan(op)
  return PLANS[op] or "the head and the pieces", { self.child }
end


return Chunk
