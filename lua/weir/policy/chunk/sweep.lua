-- policy/chunk/sweep.lua: the verb sweep of every store. It finds pieces that no head
-- names. They are left by a process that ended between the pieces and the head, by a
-- write whose reply was lost, and by stores that evict heads. The key of a piece says
-- when its value was set: younger ones may belong to a set that is running.

local check_method = require "weir.core.method"
local Error = require "weir.core.error"
local Heads = require "weir.policy.chunk.heads"
local Options = require "weir.core.options"
local Paths = require "weir.observe.paths"
local Pieces = require "weir.policy.chunk.pieces"
local Request = require "weir.core.request"
local host = require "weir.host"

local Sweep = {}

-- Pieces that are looked at together, and seconds that a request may take.
local BATCH, PATIENCE = 256, 30

-- Seconds after which a set is no longer running, and where errors of arguments point.
local OLDER, VERB = 3600, 2


local function request(op, keys)
  local req = Request.new(op, keys)
  req.deadline = host.now() + PATIENCE
  return req
end


-- The salts in use of the owners of some pieces, by owner; false: it cannot be told.
local function salts_of(self, pieces)
  local owners, seen, salts = {}, {}, {}
  for _, key in ipairs(pieces) do
    local owner = Pieces.owner(key)
    if not seen[owner] then
      seen[owner] = true
      owners[#owners + 1] = owner
    end
  end
  local plans, looked = Heads.find(self, request("get", owners))
  for i, owner in ipairs(owners) do
    local known = looked[i] == "ok" or looked[i] == "miss"
    salts[owner] = plans[i] and plans[i].salt or known and "" or false
  end
  return salts
end


local function remove(self, pieces)
  local salts, gone = salts_of(self, pieces), {}
  for _, key in ipairs(pieces) do
    local salt = salts[Pieces.owner(key)]
    local _, own = Pieces.made(key)
    if salt and salt ~= own then gone[#gone + 1] = key end
  end
  if #gone == 0 then return 0 end
  return self.child:run(request("delete", gone)):count "ok"
end


-- Walks all keys below a chunk. Returns how many pieces it removed and has seen.
local function walk(self, older)
  local removed, seen, list = 0, 0, {}
  local before = os.time() + 1 - older -- keys have whole seconds
  for key in self.child:scan() do
    if Pieces.is_piece(key) then
      seen = seen + 1
      if Pieces.made(key) <= before then list[#list + 1] = key end
    end
    if #list == BATCH then
      removed, list = removed + remove(self, list), {}
    end
  end
  if #list > 0 then removed = removed + remove(self, list) end
  self.counts.swept = self.counts.swept + removed
  return removed, seen
end


--- Removes pieces that no value has any more, below each chunk of the tree, of values
--- that were set more than `older` seconds ago (an hour). It reads all keys there.
--- Returns how many pieces it removed, and how many it has seen.
---@param opts { older: weir.Seconds? }?
---@return integer? removed, integer|weir.Error seen
function Sweep:sweep(opts)
  check_method(self, "sweep", VERB)
  local older = opts and Options.read("sweep", opts, VERB).older or OLDER
  local removed, seen, failure = 0, 0, nil
  Paths.each(self, function(node)
    if node.word ~= "chunk" or failure then return end
    local ok, gone, found = pcall(walk, node, older)
    if not ok and not Error.is(gone) then error(gone, 0) end
    if not ok then
      failure = gone
    else
      removed, seen = removed + gone, seen + found
    end
  end)
  if failure then return nil, failure end
  return removed, seen
end


return Sweep
