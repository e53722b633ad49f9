-- core/cursors.lua: numbers for cursors of scans. A policy's cursor is a table of Lua.
-- C and Redis clients need a number: the table is kept here under one. Numbers of C
-- stores pass through. Used by the connector lua and by weir serve.

local Cursors = {}
Cursors.__index = Cursors

-- At most MOST tables are kept. One more makes the oldest forgotten.
local MOST = 10000

-- Numbers from FIRST to FIRST + LARGEST stand for tables. C stores use other bits.
local FIRST, LARGEST = 2 ^ 52, 2 ^ 40


--- last: the number after which these begin, so that they differ from earlier ones.
---@param last number? the field of the earlier ones
function Cursors.new(last)
  return setmetatable({ last = last or 0 }, Cursors)
end


--- Returns the number of a cursor. nil, the end of a scan, is 0.
---@param cursor table|number|ffi.cdata*|nil
function Cursors:number(cursor)
  if cursor == nil then return 0 end
  if type(cursor) ~= "table" then return cursor end
  self.last = self.last + 1
  self[self.last] = cursor
  self[self.last - MOST] = nil
  return FIRST + self.last
end


--- Returns the cursor of a number: nil for 0, the start of a scan. Returns false for a
--- number whose table is forgotten.
---@param number number|ffi.cdata*
function Cursors:find(number)
  if number == 0 then return nil end
  local at = tonumber(number) - FIRST
  if at < 0 or at > LARGEST then return number end
  return self[at] or false
end


return Cursors
