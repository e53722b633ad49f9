-- app/repl/line/tokens.lua: splits the line of a dot command into words. A word in
-- quotes is read as Lua reads a string, so that any key a session prints can be typed
-- back.

local Tokens = {}


-- The end of the quoted word that begins at i, or nil while it is open.
local function closing(line, i)
  local quote, at = line:sub(i, i), i + 1
  while at <= #line do
    local char = line:sub(at, at)
    if char == "\\" then
      at = at + 1
    elseif char == quote then
      return at
    end
    at = at + 1
  end
end


local function unquoted(literal)
  local chunk = loadstring("return " .. literal)
  return chunk and chunk()
end


local function quoted_word(line, i)
  local last = closing(line, i)
  if not last then
    return { text = line:sub(i + 1), quoted = true, quote = line:sub(i, i),
      open = true }, #line + 1
  end
  local text = unquoted(line:sub(i, last))
  if not text then return nil, ("%s is no string"):format(line:sub(i, last)) end
  return { text = text, quoted = true }, last + 1
end


--- The words of a line: { text, quoted, open and quote of one that is not closed }, or
--- nil and an error.
---@param line string
---@return table[]? words, string? err
function Tokens.split(line)
  local words, i = {}, 1
  while true do
    i = line:find("%S", i)
    if not i then return words end
    local word, after
    if line:find("^[\"']", i) then
      word, after = quoted_word(line, i)
      if not word then return nil, after end
    else
      local text
      text, after = line:match("^(%S+)()", i)
      word = { text = text }
    end
    words[#words + 1] = word
    i = after
  end
end


return Tokens
