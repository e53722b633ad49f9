-- replay/formats/ring.lua: the requests that a format fills in turn, so that a trace
-- makes no tables: as many as the reader uses at the same time, and the one that is
-- being filled. Used by csv.lua and json.lua.

local Ring = {}
Ring.__index = Ring


--- in_use: the last requests that the reader still uses; make() makes one.
---@param in_use integer
---@param make fun(): table
function Ring.new(in_use, make)
  local self = setmetatable({ at = 1 }, Ring)
  for i = 1, in_use + 1 do self[i] = make() end
  return self
end


--- The request that was filled longest ago.
function Ring:next()
  local i = self.at
  self.at = self[i + 1] and i + 1 or 1
  return self[i]
end


return Ring
