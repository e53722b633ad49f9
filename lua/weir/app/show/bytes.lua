-- Any bytes as text: keys on a terminal, keys and values in JSON.
local Bytes = {}


-- The length of the UTF-8 character that begins at i, or nil. Overlong forms and
-- surrogates are refused, as JSON readers do.
local function character(text, i)
  local a, b, c, d = text:byte(i, i + 3)
  local function more(byte, low, high)
    return byte and byte >= (low or 0x80) and byte <= (high or 0xBF)
  end
  if a < 0x80 then return 1 end
  if a >= 0xC2 and a <= 0xDF then return more(b) and 2 end
  if a >= 0xE0 and a <= 0xEF then
    local low, high = a == 0xE0 and 0xA0, a == 0xED and 0x9F
    return more(b, low, high) and more(c) and 3
  end
  if a >= 0xF0 and a <= 0xF4 then
    local low, high = a == 0xF0 and 0x90, a == 0xF4 and 0x8F
    return more(b, low, high) and more(c) and more(d) and 4
  end
end


--- is_text says whether all of it is UTF-8.
function Bytes.is_text(text)
  local i = 1
  while i <= #text do
    local ascii = text:match("^[%z\1-\127]+()", i)
    local length = ascii and ascii - i or character(text, i)
    if not length then
      return false
    end
    i = i + length
  end
  return true
end


--- replace passes the bytes of a set ("%c\\") through escaped(byte), and those that
--- no terminal should see: U+0080 to U+009F, which are controls, too, and, when the
--- text is not UTF-8, all high ones.
function Bytes.replace(text, set, escaped)
  if not Bytes.is_text(text) then
    return (text:gsub("[" .. set .. "\128-\255]", escaped))
  end
  return (text:gsub("[" .. set .. "]", escaped):gsub("\194[\128-\159]", function(c)
    return (c:gsub(".", escaped))
  end))
end


local function escaped(char)
  return char == "\\" and "\\\\" or ("\\%03d"):format(char:byte())
end


--- escape returns the bytes on one line that a Lua string literal reads back.
function Bytes.escape(text)
  return Bytes.replace(text, "%c\\", escaped)
end


local function hex(text)
  return (text:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end


--- put sets object[name] to the text, or object[name .. "_hex"] to its digits when
--- JSON could not carry it.
function Bytes.put(object, name, text)
  if Bytes.is_text(text) then
    object[name] = text
  else
    object[name .. "_hex"] = hex(text)
  end
  return object
end


return Bytes
