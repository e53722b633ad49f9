-- app/repl/keystrokes.lua: splits typed bytes into units: runs of text, single keys,
-- pasted text. The bytes of a terminal come in arbitrary pieces. An incomplete unit
-- (half a character, half an escape sequence) waits for the rest.

local Keys = {}

-- Escape sequences of keys that the line editor knows, by its names for them. All
-- others are dropped, since their tail would land in the line as text.
Keys.BINDINGS = {
  ["\27[A"] = "ed-prev-history", ["\27OA"] = "ed-prev-history",
  ["\27[B"] = "ed-next-history", ["\27OB"] = "ed-next-history",
  ["\27[C"] = "ed-next-char", ["\27OC"] = "ed-next-char",
  ["\27[D"] = "ed-prev-char", ["\27OD"] = "ed-prev-char",
  ["\27[H"] = "ed-move-to-beg", ["\27OH"] = "ed-move-to-beg",
  ["\27[1~"] = "ed-move-to-beg", ["\27[7~"] = "ed-move-to-beg",
  ["\27[F"] = "ed-move-to-end", ["\27OF"] = "ed-move-to-end",
  ["\27[4~"] = "ed-move-to-end", ["\27[8~"] = "ed-move-to-end",
  ["\27[3~"] = "ed-delete-next-char",
  ["\27[1;5C"] = "em-next-word", ["\27[1;3C"] = "em-next-word",
  ["\27[1;5D"] = "ed-prev-word", ["\27[1;3D"] = "ed-prev-word",
}

local PASTE, PASTE_END = "\27[200~", "\27[201~"


local function character_length(first)
  if first < 0x80 then return 1 end
  if first >= 0xC2 and first <= 0xDF then return 2 end
  if first >= 0xE0 and first <= 0xEF then return 3 end
  return first >= 0xF0 and first <= 0xF4 and 4 or 1
end


-- Where the text that begins at i ends, without a character that is still cut.
local function text_end(bytes, i)
  local stop = (bytes:find("[%z\1-\31\127]", i) or #bytes + 1) - 1
  for back = 0, math.min(3, stop - i) do
    local first = bytes:byte(stop - back)
    if first >= 0xC0 then
      local whole = character_length(first) <= back + 1
      return (whole or stop < #bytes) and stop or stop - back - 1
    end
  end
  return stop
end


-- The escape sequence at i, and where it ends. nil: it is not complete.
local function sequence(bytes, i)
  local kind = bytes:sub(i + 1, i + 1)
  if kind == "[" then
    local last = bytes:match("^\27%[[0-?]*[ -/]*[@-~]()", i)
    if last then return bytes:sub(i, last - 1), last end
    if bytes:match("^\27%[[ -?]*$", i) then return nil end
    return "", i + 2
  end
  -- Alt with a key that has a sequence of its own: that one begins at the second.
  if kind == "\27" then return "", i + 1 end
  local last = i + (kind == "O" and 2 or 1)
  if #bytes < last then return nil end
  local length = character_length(bytes:byte(last))
  if #bytes < last + length - 1 then return nil end
  return bytes:sub(i, last + length - 1), last + length
end


local function escape(units, bytes, i)
  local keys, after = sequence(bytes, i)
  if not keys then return nil end
  if keys == PASTE then
    local first, last = bytes:find(PASTE_END, after, true)
    if not first then return nil end
    units[#units + 1] = { kind = "paste", text = bytes:sub(after, first - 1) }
    return last + 1
  end
  if Keys.BINDINGS[keys] or #keys == 2 then -- of two: Alt with an ASCII character
    units[#units + 1] = { kind = "key", text = keys }
  end
  return after
end


--- The units in some bytes, and the bytes that are still incomplete.
---@param bytes string
---@return { kind: "text"|"key"|"paste", text: string }[] units, string rest
function Keys.decode(bytes)
  local units, i = {}, 1
  while i <= #bytes do
    local byte = bytes:byte(i)
    if byte == 27 then
      local after = escape(units, bytes, i)
      if not after then return units, bytes:sub(i) end
      i = after
    elseif byte < 32 or byte == 127 then
      units[#units + 1] = { kind = "key", text = bytes:sub(i, i) }
      i = i + 1
    else
      local stop = text_end(bytes, i)
      if stop < i then return units, bytes:sub(i) end
      units[#units + 1] = { kind = "text", text = bytes:sub(i, stop) }
      i = stop + 1
    end
  end
  return units, ""
end


return Keys
