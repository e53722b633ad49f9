-- app/repl/editor.lua: reads lines from a terminal inside the host: other tasks run
-- while a line is typed, and their output appears above the line.

local Edit = require "weir.app.repl.libedit"
local Host = require "weir.host"
local Keys = require "weir.app.repl.keystrokes"
local Tab = require "weir.app.repl.tab"
local Terminal = require "weir.app.terminal"
local Wide = require "weir.app.repl.wide"

local TAB, CTRL_D, CTRL_R, CTRL_G = "\t", "\4", "\18", 7

-- Longer text goes into the line at once: keys are redrawn one by one.
local AT_ONCE = 64

-- Asks the terminal to mark pasted text, so that a tab in it stays a tab.
local PASTE_ON, PASTE_OFF = "\27[?2004h", "\27[?2004l"

---@class weir.Editor
---@field signals integer? an fd: when it is readable, waiting for keys ends
---@field edit weir.Edit
---@field complete fun(before: string): string[], integer
local Editor = {}
Editor.__index = Editor


local function await(self)
  self.waiter = Host.prepare()
  local watch = Host.current().watch(0, "read", function() Host.wake(self.waiter) end)
  local woken = Host.park(self.waiter)
  watch.cancel()
  self.waiter = nil
  return woken
end


-- Reads the bytes typed into the queue of keys. false: the input has ended.
local function take(self)
  local bytes = Terminal.read(0)
  if not bytes or bytes == "" then return false end
  local units
  units, self.rest = Keys.decode(self.rest .. bytes)
  for _, unit in ipairs(units) do self.units[#self.units + 1] = unit end
  return true
end


-- The characters that libedit reads: those of the current key, and those after it for
-- a command that reads on (a search). Such a command waits for the terminal alone.
local function next_character(self)
  while #self.codes == 0 do
    if self.looking then return nil end
    local unit = table.remove(self.units, 1)
    if unit then
      self.codes = Wide.codes(unit.text)
    elseif not Terminal.wait(0, self.signals) or not take(self) then
      return CTRL_G
    end
  end
  return table.remove(self.codes, 1)
end


--- Makes an editor. `lines` are the history, oldest first.
---@param lines string[]
---@return weir.Editor
function Editor.new(lines)
  local self = setmetatable({ units = {}, codes = {}, rest = "" }, Editor)
  self.edit = Edit.new(function() return next_character(self) end)
  for _, line in ipairs(lines) do self.edit:remember(line) end
  return self
end


local function insert(self, text)
  if #text >= AT_ONCE then
    self.edit:insert(text)
    return false
  end
  self.codes = Wide.codes(text)
  while #self.codes > 0 do
    if self.edit:key() then return true end
  end
end


-- A search ends with a key that it gives back: the next one that libedit handles.
local function search(self)
  insert(self, CTRL_R)
  self.looking = true
  local ended = self.edit:key()
  self.looking = false
  return ended
end


-- A pasted text of several lines is typed line by line. Control characters in it, such
-- as tabs, go into the line and are no keys. A NUL would end the line.
local function paste(self, text)
  local line, more = text:match "^([^\r\n]*)\r?\n?(.*)$"
  if #line < #text then
    table.insert(self.units, 1, { kind = "key", text = "\n" })
    if #more > 0 then
      table.insert(self.units, 2, { kind = "paste", text = more })
    end
  end
  if line:find "%c" then
    self.edit:insert((line:gsub("%z", " ")))
  else
    insert(self, line)
  end
end


-- Handles one unit: "line", "eof" or nil.
local function handle(self, unit)
  if unit.kind == "paste" then
    paste(self, unit.text)
  elseif unit.text == TAB then
    Tab.press(self)
  elseif unit.text == CTRL_D and self.edit:line() == "" then
    return "eof"
  elseif unit.text == CTRL_R then
    return search(self) and "line" or nil
  elseif insert(self, unit.text) then
    return "line"
  end
end


local function edit_line(self)
  while not self.interrupted do
    local unit = table.remove(self.units, 1)
    if unit then
      local ended = handle(self, unit)
      if ended then return ended end
    else
      if not await(self) then return "interrupt" end
      if not self.interrupted and not take(self) then return "eof" end
    end
  end
  return "interrupt"
end


--- Reads a line. nil and "eof" or "interrupt" when there is none.
---@param prompt string
---@return string? line, string? why
function Editor:read(prompt)
  self.interrupted, self.reading = false, true
  io.stdout:write(PASTE_ON)
  self.edit:start(prompt)
  local ended = edit_line(self)
  local line = self.edit:line()
  self.reading = false
  io.stdout:write(PASTE_OFF, ended == "line" and "" or "\n")
  io.stdout:flush()
  if ended ~= "line" then return nil, ended end
  return line
end


--- Reads the answer to a question. Text typed before the question is no answer.
---@param question string
---@return string? answer
function Editor:ask(question)
  self.units, self.rest = {}, ""
  return (self:read(question))
end


--- Adds a line to the history of this session.
function Editor:remember(line)
  self.edit:remember(line)
end


--- Writes a line of text, above the line that is being typed.
---@param text string
function Editor:print(text)
  if self.reading then self.edit:hide() end
  io.stdout:write(text, "\n")
  io.stdout:flush()
  if self.reading then self.edit:show() end
end


--- A signal came while a line is typed.
function Editor:signal(number)
  if number == Terminal.SIGWINCH then
    self.edit:resize()
  elseif number == Terminal.SIGCONT then
    self.edit:again()
  elseif number == Terminal.SIGINT then
    self.interrupted = true
    self.units, self.codes, self.rest = {}, {}, ""
    if self.waiter then Host.wake(self.waiter) end
  end
end


function Editor:close()
  self.edit:close()
end


return Editor
