-- serve/glob.lua: patterns as Redis matches them: * ? [abc] [^a-z] and \ before a
-- character.

local byte = string.byte

local STAR, ANY, OPEN, CLOSE = byte "*", byte "?", byte "[", byte "]"
local NOT, RANGE, ESCAPE = byte "^", byte "-", byte "\\"


-- Whether c is in the class that begins behind a [; and where the class ends.
local function in_class(pattern, at, c)
  local inverted = byte(pattern, at) == NOT
  local found = false
  if inverted then at = at + 1 end
  while at <= #pattern and byte(pattern, at) ~= CLOSE do
    local low = byte(pattern, at)
    if low == ESCAPE and at < #pattern then
      at = at + 1
      low = byte(pattern, at)
    end
    local high = low
    if byte(pattern, at + 1) == RANGE and at + 2 <= #pattern then
      high, at = byte(pattern, at + 2), at + 2
    end
    if low > high then low, high = high, low end
    found = found or low <= c and c <= high
    at = at + 1
  end
  return found ~= inverted, at + 1
end


-- Whether the character at `at` of a pattern, no *, takes c; and where it ends.
local function takes(pattern, at, c)
  local p = byte(pattern, at)
  if p == ANY then return true, at + 1 end
  if p == OPEN then return in_class(pattern, at + 1, c) end
  if p == ESCAPE and at < #pattern then
    return byte(pattern, at + 1) == c, at + 2
  end
  return p == c, at + 1
end


--- Whether a text matches a pattern. Goes back to the last * only, so that the time is
--- at most the product of both lengths.
---@param pattern string
---@param text string
---@return boolean
return function(pattern, text)
  local p, t, star, resume = 1, 1, nil, nil
  while t <= #text do
    local fits = false
    if p <= #pattern and byte(pattern, p) == STAR then
      star, resume, p = p, t, p + 1
      fits = true
      t = t - 1
    elseif p <= #pattern then
      local behind
      fits, behind = takes(pattern, p, byte(text, t))
      if fits then p = behind end
    end
    if not fits then
      if not star then return false end
      p, resume = star + 1, resume + 1
      t = resume - 1
    end
    t = t + 1
  end
  while byte(pattern, p) == STAR do p = p + 1 end
  return p > #pattern
end
