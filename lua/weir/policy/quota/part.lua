-- policy/quota/part.lua: which tenant a key belongs to: by a Lua pattern, or by a
-- function. Patterns of the commonest shape, all before the first ":", are compiled
-- away, since LuaJIT does not compile string.match.

local Arguments = require "weir.policy.shared.arguments"
local Pattern = require "weir.policy.shared.pattern"

local find, sub, match = string.find, string.sub, string.match

local Part = {}
Part.__index = Part


-- The separator of a pattern such as "^([^:]+):" or "^(.-)/", and the first place where
-- it may be found; nil: it has another shape.
local function separator_of(pattern)
  local inner, many, outer =
    pattern:match "^%^%(%[%^(%%?[^%w%s%]])%]([+*])%)(%%?%p)$"
  if not inner then
    inner = pattern:match "^%^%(%.%-%)(%%?%p)$"
    many, outer = "*", inner
  end
  -- These have another meaning when no % stands before them.
  local magic = inner and inner:find "^[%^$()%%.%[%]*+?-]$"
  if not inner or inner ~= outer or magic then return nil end
  return inner:sub(-1), many == "+" and 2 or 1
end


local function by_pattern(pattern)
  local fault = Pattern.fault(pattern)
  if fault then
    error(("quota: by = %q is no Lua pattern: %s"):format(pattern, fault), 0)
  end
  local separator, least = separator_of(pattern)
  return setmetatable({ by = pattern, pattern = pattern, separator = separator,
    least = least }, Part)
end


--- Of the option `by`: a pattern, whose first capture is the tenant, else the match; or
--- a function from a key to the tenant or nil.
function Part.of(by, what)
  if type(by) == "string" then return by_pattern(by) end
  if type(by) == "function" then return setmetatable({ by = by, fn = by }, Part) end
  error(("%s is a Lua pattern such as \"^([^:]+):\", or a function from a key to its "
    .. "tenant, not %s"):format(what, Arguments.show(by)), 0)
end


local function by_function(fn, key)
  local ok, name = pcall(fn, key)
  if not ok then return false, "by failed: " .. tostring(name) end
  if name == nil or type(name) == "string" then return name end
  return false, "by returned " .. Arguments.show(name) .. ", not a tenant or nil"
end


--- The tenant of a key; nil: it has none; false and a sentence: the function failed.
function Part:of_key(key)
  local separator = self.separator
  if separator then
    local at = find(key, separator, 1, true)
    if not at or at < self.least then return nil end
    return sub(key, 1, at - 1)
  end
  if not self.fn then return (match(key, self.pattern)) end
  return by_function(self.fn, key)
end


--- The tenant of all keys that begin with `prefix`, and true; false: not known.
function Part:of_prefix(prefix)
  local separator = self.separator
  if not separator or not find(prefix, separator, 1, true) then return nil, false end
  return self:of_key(prefix), true
end


return Part
