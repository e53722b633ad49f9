-- Numbers without losing digits: LuaJIT writes 14 of them, so that a time in
-- microseconds or a count of bytes would read back as another number.
local Number = {}

-- Larger whole numbers are written with an exponent.
local MOST_WHOLE = 2 ^ 63

-- 17 digits are enough for every double.
local FEWEST, MOST = 14, 17


local function is_whole(x)
  return x == math.floor(x) and math.abs(x) < MOST_WHOLE
end


--- text writes whole numbers with all their digits, and others as Lua does.
---@param x number
---@return string
function Number.text(x)
  return is_whole(x) and ("%.0f"):format(x) or tostring(x)
end


--- exact writes a number with as many digits as it takes to read the same one back.
---@param x number
---@return string
function Number.exact(x)
  if is_whole(x) then return ("%.0f"):format(x) end
  local text
  for digits = FEWEST, MOST do
    text = ("%%.%dg"):format(digits):format(x)
    if tonumber(text) == x then break end
  end
  return text
end


return Number
