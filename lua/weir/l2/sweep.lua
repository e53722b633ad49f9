-- l2/sweep.lua: keeps a ledger near to the contents of a store, which does not tell
-- about evictions and expiry. For each key that is stored two known ones are looked up,
-- the oldest first, in batches. Those that are gone leave the ledger. A round over all
-- L known keys takes L / 2 stores. Where each store makes one of the H held keys go, at
-- most L / 2 have gone since the round before, so that L <= H + L / 2: the ledger has
-- at most twice the keys that are held, and LEAST. Used by l2.lua.

local Sweep = {}
Sweep.__index = Sweep

-- With fewer keys than LEAST nothing is looked up. A batch has at most MOST.
local LEAST, MOST = 8, 256


--- find_gone(keys) looks the keys up and updates the ledger. It returns false to stop.
---@param known table l2/known.lua
---@param find_gone fun(keys: string[]): boolean
function Sweep.new(known, find_gone)
  return setmetatable({ known = known, find_gone = find_gone, due = 0 }, Sweep)
end


--- n keys were stored. Returns whether run() has something to do.
function Sweep:stored(n)
  local known = self.known
  self.due = math.min(self.due + 2 * n / known.weight, known.n)
  return not self.running and self.due >= math.max(LEAST, math.min(known.n, MOST))
end


--- Looks up the keys that are due. One run at a time.
function Sweep:run()
  self.running = true
  while self.due >= 1 do
    local keys = self.known:oldest(math.min(self.due, MOST))
    self.due = math.min(self.due - #keys, self.known.n)
    if #keys == 0 or not self.find_gone(keys) then break end
  end
  self.running = false
end


return Sweep
