-- policy/shared/pattern.lua: checks Lua patterns that a word is given. Lua finds a
-- mistake in a pattern only when a match gets that far, which is in the midst of a
-- request. Used by quota and shard.

local Pattern = {}

local MOST = 32 -- captures that Lua allows


-- The place after the set that begins at `at`, or nil.
local function after_set(text, at)
  at = at + 1
  if text:sub(at, at) == "^" then at = at + 1 end
  repeat
    if at > #text then return nil end
    at = at + (text:sub(at, at) == "%" and 2 or 1)
  until text:sub(at, at) == "]"
  return at + 1
end


-- The place after what begins with a %, or nil and what is wrong.
local function after_escape(text, at, closed)
  local c = text:sub(at + 1, at + 1)
  if c == "" then return nil, "it ends with %" end
  if c == "b" then
    if at + 3 > #text then return nil, "%b needs two characters" end
    return at + 4
  end
  if c == "f" and text:sub(at + 2, at + 2) ~= "[" then
    return nil, "%f needs a [set]"
  end
  if c:match "%d" and not closed[tonumber(c)] then
    return nil, ("%%%s is no capture before it"):format(c)
  end
  return at + 2
end


--- What is wrong with a pattern, as a part of a sentence; nil: nothing.
---@param text string
---@return string?
function Pattern.fault(text)
  local at, n, stack, closed = 1, 0, {}, {}
  while at <= #text do
    local c = text:sub(at, at)
    if c == "%" then
      local following, why = after_escape(text, at, closed)
      if not following then return why end
      at = following
    elseif c == "[" then
      at = after_set(text, at)
      if not at then return "a [ has no ]" end
    else
      if c == "(" then
        n = n + 1
        if n > MOST then return "it has more than 32 captures" end
        if n == 1 and text:sub(at + 1, at + 1) == ")" then
          return "() captures a place, not text"
        end
        stack[#stack + 1] = n
      elseif c == ")" then
        if #stack == 0 then return "a ) has no (" end
        closed[table.remove(stack)] = true
      end
      at = at + 1
    end
  end
  return #stack > 0 and "a ( has no )" or nil
end


return Pattern
