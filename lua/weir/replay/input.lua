-- replay/input.lua: the file of a trace as a stream of lines or records: read in
-- pieces, never whole; unpacked by zstd, gzip or xz where its first bytes or its name
-- say so. Used by source.lua.

local Input = {}
Input.__index = Input

local PIECE = 256 * 1024
local HEAD = 4096
local MARK = 64 -- more than what a tool's end is marked with
local RETURN = 13

-- The mark of UTF-8 before text: before bytes it would be a part of them.
local MARK_AND_TEXT = "^\239\187\191[\32-\126]"

local byte, find, sub = string.byte, string.find, string.sub

local UNPACK = { zst = "zstd -dcq", gz = "gzip -dc", xz = "xz -dc" }
local MAGIC = { zst = "\40\181\47\253", gz = "\31\139", xz = "\253\55zXZ\0" }


local function quote(word)
  return "'" .. word:gsub("'", "'\\''") .. "'"
end


-- What unpacks a file that begins so, or nil.
local function tool_for(head)
  for kind, magic in pairs(MAGIC) do
    if head:sub(1, #magic) == magic then return UNPACK[kind] end
  end
end


-- What a tool makes of a file. Behind it stands a mark with its exit code, since popen
-- of Lua 5.1 does not tell that.
local function unpacked(path, tool)
  return assert(io.popen(("%s -- %s; code=$?; echo; echo weir-unpacked $code"):format(
    tool, quote(path)))), tool:match "^%w+"
end


-- Opens a file. Returns it, the tool that unpacks it, if any, and the bytes that were
-- read already. The bytes of a pipe cannot be read again by a tool.
local function open(path)
  local file, why = io.stdin, nil
  if path ~= "-" then file, why = io.open(path, "rb") end
  if not file then error(why, 0) end
  local tool = UNPACK[path:match "%.(%w+)$" or ""]
  if not tool then
    local head, cannot = file:read(8)
    if cannot then error(("cannot read %s: %s"):format(path, cannot), 0) end
    head = head or ""
    tool = tool_for(head)
    if not tool then return file, nil, head end
    if path == "-" or not file:seek "set" then
      error(("%s is a pipe of packed bytes: write %s | weir ... -"):format(
        path == "-" and "stdin" or path, tool), 0)
    end
  end
  file:close()
  return unpacked(path, tool)
end


--- Opens a trace. skip_bad: count what is no request instead of failing.
---@param path string "-" is stdin
function Input.open(path, opts)
  local self = setmetatable({ path = path, line = 0, bad = 0, at = 1, piece = "",
    held = "", skip_bad = opts and opts.skip_bad }, Input)
  if path == "-" then self.path = "stdin" end
  local head
  self.file, self.tool, head = open(path)
  self.piece = head or ""
  self:fill()
  if self.piece:find(MARK_AND_TEXT) then self.piece = self.piece:sub(4) end
  return self
end


-- What a tool wrote last, without the mark of its end.
local function without_mark(self, bytes)
  local text, code = bytes:match "^(.*)\nweir%-unpacked (%d+)\n$"
  if not text then return bytes end
  if code ~= "0" then
    self.failure = ("%s: %s ended with code %s"):format(self.path, self.tool, code)
  end
  return text
end


-- The next bytes that a tool wrote. The last ones are held back until the tool has
-- ended: they may be a part of the mark.
local function unpacked_piece(self)
  while not self.ended do
    local more = self.file:read(PIECE)
    local bytes = self.held .. (more or "")
    if not more then
      self.ended = true
      return without_mark(self, bytes)
    end
    self.held = sub(bytes, -MARK)
    if #bytes > MARK then return sub(bytes, 1, -MARK - 1) end
  end
  return ""
end


-- The next bytes of the trace; "" at its end.
local function next_piece(self)
  local piece
  if self.tool then
    piece = unpacked_piece(self)
  else
    piece = self.file:read(PIECE) or ""
  end
  if piece == "" and self.failure then error(self.failure, 0) end
  return piece
end


--- Reads on. False: that was all.
function Input:fill()
  local piece = next_piece(self)
  if piece == "" then return false end
  self.piece, self.at = sub(self.piece, self.at) .. piece, 1
  return true
end


--- The first bytes, for detecting the format.
function Input:head()
  return self.piece:sub(1, HEAD)
end


-- Reads on until there is a whole line. Returns the place of its end; nil: the file
-- ends without one.
local function next_end(self)
  local pieces = { sub(self.piece, self.at) }
  local last, stop
  repeat
    last = next_piece(self)
    pieces[#pieces + 1], stop = last, find(last, "\n", 1, true)
  until stop or last == ""
  self.piece, self.at = table.concat(pieces), 1
  return stop and #self.piece - #last + stop
end


--- The next line as a piece of the file and the places of the line's first and last
--- byte in it, without making a string; nil at the end.
---@return string? piece, integer first, integer last
function Input:next_line()
  local piece, from = self.piece, self.at
  local stop = find(piece, "\n", from, true)
  if not stop then
    stop = next_end(self)
    piece, from = self.piece, self.at
    if not stop and from > #piece then return nil, 1, 0 end
  end
  self.line = self.line + 1
  local last = stop and stop - 1 or #piece
  self.at = (stop or #piece) + 1
  if byte(piece, last) == RETURN then last = last - 1 end
  return piece, from, last
end


--- The next line, or nil at the end.
function Input:read_line()
  local piece, first, last = self:next_line()
  return piece and sub(piece, first, last)
end


--- The next n bytes, fewer at the end.
function Input:read_bytes(n)
  while #self.piece - self.at + 1 < n and self:fill() do end
  local bytes = self.piece:sub(self.at, self.at + n - 1)
  self.at = self.at + #bytes
  return bytes
end


--- Says that the current line is no request: raises, or counts where that is wanted.
function Input:bad_line(why)
  if not self.skip_bad then
    error(("%s:%d: %s (--skip-bad goes on and counts)"):format(self.path, self.line,
      why), 0)
  end
  self.bad = self.bad + 1
end


function Input:close()
  if self.file ~= io.stdin then self.file:close() end
end


return Input
