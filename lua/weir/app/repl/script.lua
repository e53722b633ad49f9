-- app/repl/script.lua: reads lines from a pipe or a file, inside the host: the same two
-- functions as editor.lua, without editing.

local Exit = require "weir.app.exit"
local Host = require "weir.host"
local Terminal = require "weir.app.terminal"

---@class weir.Script
local Script = {}
Script.__index = Script


function Script.new()
  return setmetatable({ pieces = {}, ended = false }, Script)
end


local function await()
  local waiter = Host.prepare()
  local watch = Host.current().watch(0, "read", function() Host.wake(waiter) end)
  Host.park(waiter)
  watch.cancel()
end


-- Reads on. The pieces of a long line are joined once it is whole.
local function fill(self)
  await()
  local bytes = Terminal.read(0)
  self.ended = not bytes or bytes == ""
  if not self.ended then self.pieces[#self.pieces + 1] = bytes end
  return self.ended or bytes:find("\n", 1, true)
end


--- Reads a line. nil and "eof" at the end.
---@return string? line, string? why
function Script:read()
  local whole = self.pieces[1] and self.pieces[1]:find("\n", 1, true)
  while not self.ended and not whole do whole = fill(self) end
  local bytes = table.concat(self.pieces)
  if bytes == "" then return nil, "eof" end
  local line, rest = bytes:match "^([^\n]*)\n?(.*)$"
  self.pieces = rest ~= "" and { rest } or {}
  return line
end


--- A script has no history.
function Script.remember() end


--- Writes a line of text at once. Ends the script when that fails.
function Script:print(text)
  Exit.write(text, "\n")
  if not io.stdout:flush() then Exit.fail(Exit.ERROR, Exit.CUT) end
end


function Script.signal() end


function Script.close() end


return Script
