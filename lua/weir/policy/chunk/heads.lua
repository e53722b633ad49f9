-- policy/chunk/heads.lua: which values of a request are stored in pieces. A get knows
-- when it has read them. Other ops need the heads alone: they ask for the sizes first,
-- and read only values as small as a head.

local Lent = require "weir.policy.shared.lent"
local Op = require "weir.core.op"
local Pieces = require "weir.policy.chunk.pieces"

local Heads = {}

-- A head has 48 bytes, and words between chunk and its store may add some.
local MOST = 512


-- The slots that may be heads. A store that cannot tell sizes is read.
local function candidates(looked)
  local slots = {}
  for i = 1, looked.n do
    local size = looked[i] == "ok" and (looked:size(i) or 0)
    if looked[i] == "unsupported" or size and size <= MOST then
      slots[#slots + 1] = i
    end
  end
  return slots
end


-- Reads the slots and notes the plans of those that are in pieces. For a write nothing
-- else changes.
local function read(self, req, looked, slots, plans)
  local gets = Pieces.derive(req, "get", slots)
  gets.peek = req.peek or Op.writes[req.op]
  local reply = self.child:run(gets)
  for j, i in ipairs(slots) do
    local pointer = reply:pointer(j)
    if pointer then
      local kind, plan = Pieces.read(pointer)
      plans[i] = kind == "pieces" and plan or nil
    end
    -- What was read a moment later counts, except the size, which stat knows.
    if reply[j] ~= "ok" or looked[i] ~= "ok" then
      local size = reply:size(j)
      reply:drop(j)
      looked:adopt(i, reply, j)
      looked:note("sizes", i, size)
    end
  end
end


--- Looks for the heads of a request's keys. Returns the plans by slot and the reply of
--- the stat: a miss, an error, or the size in the store and the time left.
function Heads.find(self, req)
  local looked = self.child:run(Pieces.derive(req, "stat", Lent.all(req.n)))
  local slots, plans = candidates(looked), {}
  if #slots > 0 then read(self, req, looked, slots, plans) end
  return plans, looked
end


--- The slots of a list that have a plan.
function Heads.in_pieces(plans, n)
  local slots = {}
  for i = 1, n do
    if plans[i] then slots[#slots + 1] = i end
  end
  return slots
end


return Heads
