-- policy/record/file.lua: the files of a recording: lines as replay reads them
-- (replay/formats/weir.lua). When the file has its size it becomes PATH.1, that one
-- PATH.2, and so on; the oldest goes. Nodes with the same path share one.

local bit = require "bit"
local Recording = require "weir.replay.formats.weir"
local C = require("weir.ffi").C

local File = {}
File.__index = File

local open = setmetatable({}, { __mode = "v" }) -- by path


--- size: bytes of one file; files: how many there are; hash: keys are written as their
--- hashes. The folder must be there. nil and why: it cannot be written.
function File.open(path, size, files, hash)
  local known = open[path]
  if known and known.handle then return known end
  local handle, why = io.open(path, "w")
  if not handle then return nil, why end
  handle:write(Recording.HEAD, "\n")
  local self = setmetatable({ path = path, size = size, files = files, hash = hash,
    handle = handle, written = #Recording.HEAD + 1, failed = 0 }, File)
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
  self.handle:close()
  for i = self.files - 1, 1, -1 do
    local from = i == 1 and self.path or self.path .. "." .. (i - 1)
    os.rename(from, self.path .. "." .. i)
  end
  self.handle = io.open(self.path, "w")
  self.written = #Recording.HEAD + 1
  if self.handle then self.handle:write(Recording.HEAD, "\n") end
end


--- Writes a line. False: it could not be.
function File:write(time, batch, op, key, size, ttl, status, level)
  if not self.handle then return false end
  local line = ("%.6f,%d,%s,%s,%d,%s,%s,%s\n"):format(time, batch, op,
    name_of(self, key), size, ttl > 0 and ("%.14g"):format(ttl) or "", status,
    level > 0 and level or "")
  if self.written + #line > self.size then rotate(self) end
  self.written = self.written + #line
  return self.handle ~= nil and self.handle:write(line) ~= nil
end


function File:flush()
  if self.handle then self.handle:flush() end
end


return File
