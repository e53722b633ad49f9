-- Bytes as Lua string literals: the output of a session can be typed back, and no byte
-- of it reaches the terminal as a control sequence.
local Bytes = require "weir.app.show.bytes"

local Literal = {}

local SHORT = {
  ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t", ["\\"] = "\\\\", ['"'] = '\\"',
}


local function escaped(char)
  return SHORT[char] or ("\\%03d"):format(char:byte())
end


--- quote writes bytes as a literal that reads back as the same bytes.
---@param bytes string
---@return string
function Literal.quote(bytes)
  return '"' .. Bytes.replace(bytes, '%c\\"', escaped) .. '"'
end


--- harmless writes a sentence, perhaps a server's, without control characters.
---@param text string
---@return string
function Literal.harmless(text)
  return Bytes.replace(text, "%z\1-\8\11-\31\127", escaped)
end


-- Drops the start of a character that was cut.
local function whole_characters(bytes)
  for cut = 0, math.min(3, #bytes) do
    local less = bytes:sub(1, #bytes - cut)
    if Bytes.is_text(less) then return less end
  end
  return bytes
end


--- Writes at most `room` columns or so of a string or Value: all of it when it fits,
--- else its head. The second result says whether it was all.
---@param value string|weir.Value
---@param room integer
---@return string text, boolean whole
function Literal.preview(value, room)
  local head = value:sub(1, room)
  if #head < #value then head = whole_characters(head) end
  local text = Literal.quote(head)
  if #head == #value and #text <= 4 * room then return text, true end
  -- Escapes take up to four columns a byte.
  while #text > room + 2 and #head > 1 do
    head = whole_characters(head:sub(1, math.max(1, math.floor(#head * room / #text))))
    text = Literal.quote(head)
  end
  return text, #head == #value
end


return Literal
