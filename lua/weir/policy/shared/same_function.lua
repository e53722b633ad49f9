-- policy/shared/same_function.lua: whether two functions do the same, as those of a
-- policy file that was read twice: equal code over equal values. Used by quota and pin,
-- whose values survive a reload only then.

local DEEPEST = 4 -- functions that functions refer to


local same

local function same_values(a, b, depth)
  for i = 1, math.huge do
    local name, value = debug.getupvalue(a, i)
    local _, other = debug.getupvalue(b, i)
    if not name then return true end
    if not same(value, other, depth + 1) then return false end
  end
end


function same(a, b, depth)
  if a == b then return true end
  if type(a) ~= "function" or type(b) ~= "function" or depth > DEEPEST then
    return false
  end
  local ok, code = pcall(string.dump, a, true)
  local fine, other = pcall(string.dump, b, true)
  return ok and fine and code == other and same_values(a, b, depth)
end


--- Whether two values are equal, or functions that do the same.
return function(a, b) return same(a, b, 0) end
