-- policy/record/file.lua: the files of a recording: lines as replay reads them
-- (replay/formats/weir.lua). When the file has its size it becomes PATH.1, that one
-- PATH.2, and so on; the oldest goes. Nodes with the same path share one.

local bit = require "bit"
local Recording = require "weir.replay.formats.weir"
local C = require("weir.ffi").C

local File = {}
File.__index = File

local open = setmetatable({}, { __mode = "v" }) -- by path

local HEAD = Recording.HEAD .. "\n"


-- Begins an empty file.
local function begin(self)
  local why
  self.handle, why = io.open(self.path, "w")
  if self.handle then self.handle:setvbuf "no" end
  self.written, self.start = 0, HEAD
  return self.handle, why
end


-- Writes the lines that wait. Where that fails, a part of one may be in the file: a
-- line break has to come before the next ones, or the file begins anew if it has none
-- yet.
local function write_out(self)
  local text = self.start .. table.concat(self.lines)
  if text == "" then return end
  local good = (self.handle or begin(self)) and self.handle:write(text)
  if good then
    self.written, self.start = self.written + #text, ""
  else
    self.lost = self.lost + #self.lines
    if self.handle and self.start == HEAD then
      self.handle:close()
      self.handle = nil
    end
    self.start = self.handle and "\n" or HEAD
  end
  self.lines, self.bytes = {}, 0
end


--- size: bytes of one file; files: how many there are; hash: keys are written as their
--- hashes. The folder must be there. nil and why: it cannot be written.
function File.open(path, size, files, hash)
  local known = open[path]
  if known and (known.handle or begin(known)) then return known end
  local self = setmetatable({ path = path, size = size, files = files, hash = hash,
    lines = {}, bytes = 0, lost = 0 }, File)
  local handle, why = begin(self)
  if not handle then return nil, why end
  write_out(self)
  open[path] = self
  return self
end


local function escape(key)
  if not key:find "[^%w_%-./:@]" then return key end
  return (key:gsub("[^%w_%-./:@]", function(byte)
    return ("%%%02X"):format(byte:byte())
  end))
end


local function name_of(self, key)
  return self.hash and bit.tohex(C.weir_hash(key, #key, 0), 16) or escape(key)
end


local function rotate(self)
  if self.handle then self.handle:close() end
  for i = self.files - 1, 1, -1 do
    local from = i == 1 and self.path or self.path .. "." .. (i - 1)
    os.rename(from, self.path .. "." .. i)
  end
  begin(self)
end


--- Adds a line. flush writes it.
function File:add(time, batch, op, key, size, ttl, status, level)
  local line = ("%.6f,%d,%s,%s,%d,%s,%s,%s\n"):format(time, batch, op,
    name_of(self, key), size, ttl > 0 and ("%.14g"):format(ttl) or "", status,
    level > 0 and level or "")
  if self.written + #self.start + self.bytes + #line > self.size then
    write_out(self)
    if self.written + #line > self.size then rotate(self) end
  end
  self.lines[#self.lines + 1] = line
  self.bytes = self.bytes + #line
end


--- Writes the lines that were added. Returns how many of those since the last flush are
--- lost, because they could not be written.
---@return integer
function File:flush()
  write_out(self)
  local lost = self.lost
  self.lost = 0
  return lost
end


return File
