-- replay/shards.lua: a spatial sample of a trace: a key is in it or not by its hash,
-- for the whole trace (Waldspurger et al., "Efficient MRC construction with SHARDS",
-- FAST 2015). Replayed with capacities scaled by the same share it is a miniature of
-- the whole, for any policy. Its hit ratio is off, mostly because popular keys are in
-- it too often or not at all. So the accesses that the sample has too few are counted
-- as hits, as SHARDS-adj does (run.lua), and --compare with the JSON of a full run
-- states the error.

local C = require("weir.ffi").C

local Shards = {}

local RANGE = 2 ^ 24


local function is_in(key, share)
  return tonumber(bit.band(C.weir_hash(key, #key, 0x5a4d), RANGE - 1)) < share * RANGE
end


--- The request with the keys of the sample only, or nil: it has none.
function Shards.pick(request, share)
  local keys, slots, n = request.keys, {}, 0
  for i = 1, request.n do
    if is_in(keys[i], share) then
      n = n + 1
      slots[n] = i
    end
  end
  if n == 0 then return nil end
  if n == request.n then return request end
  local some = {}
  for name, value in pairs(request) do
    if type(value) == "table" then
      local list = {}
      for j = 1, n do list[j] = value[slots[j]] end
      some[name] = list
    else
      some[name] = value
    end
  end
  some.n = n
  return some
end


return Shards
