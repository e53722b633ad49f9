-- app/repl/libedit.lua: the line that is being edited, by libedit through FFI: its
-- state, its keys, its history, its drawing. Characters come from `next_character`, so
-- that only the host waits for the terminal.
--
-- libedit calls back for the prompt and for characters. A callback out of compiled
-- code kills the process, so every function here that calls libedit is kept from
-- the compiler.

local ffi = require "ffi"
local Keys = require "weir.app.repl.keystrokes"
local L = require "weir.app.repl.editline"
local Terminal = require "weir.app.terminal"
local Wide = require "weir.app.repl.wide"

---@class weir.Edit
local Edit = {}
Edit.__index = Edit

local PROMPT, EDITOR, SIGNAL, BIND, HISTORY = 0, 2, 3, 4, 10
local GETC, UNBUFFERED, PREPARE, REFRESH = 13, 15, 16, 20
local H_SETSIZE, H_ENTER, H_SETUNIQUE = 1, 10, 20
local NULL = ffi.cast("void *", 0)

local HISTORY_SIZE = 1000
local TAB = 9

local count = ffi.new "int[1]"
local event = ffi.new "struct weir_edit_event[1]"


local function int(n)
  return ffi.cast("int", n)
end


local function bind(edit, keys, action)
  L.weir_edit_set(edit, BIND, ffi.cast("const int32_t *", (Wide.new(keys))),
    ffi.cast("const int32_t *", (Wide.new(action))), NULL)
end


-- Keys as EL_BIND reads them.
local function spelled(keys)
  return (keys:gsub("\27", "\\e"))
end


local function bind_keys(edit)
  for keys, action in pairs(Keys.BINDINGS) do bind(edit, spelled(keys), action) end
  bind(edit, "^R", "em-inc-search-prev")
  bind(edit, "^W", "ed-delete-prev-word")
end


--- Makes an editor on the terminal. next_character() returns a code point, or nil
--- when there will be no more.
---@param next_character fun(): integer?
---@return weir.Edit
function Edit.new(next_character)
  Terminal.use_utf8()
  local handle = L.weir_edit_new("weir", io.stdin, io.stdout, io.stderr)
  if handle == nil then error("weir: the terminal cannot be used for editing", 0) end
  local self = setmetatable({ handle = handle, prompt = {} }, Edit)
  self.history = L.weir_history_new()
  self.prompt_callback = ffi.cast("const int32_t *(*)(void *)", function()
    return self.wide_prompt
  end)
  self.read_callback = ffi.cast("int (*)(void *, int32_t *)", function(_, out)
    local code = next_character()
    if not code then return 0 end
    out[0] = code
    return 1
  end)
  L.weir_history(self.history, event, H_SETSIZE, int(HISTORY_SIZE))
  L.weir_history(self.history, event, H_SETUNIQUE, int(1))
  L.weir_edit_set(handle, SIGNAL, int(0))
  L.weir_edit_set(handle, EDITOR, ffi.cast("const int32_t *", (Wide.new "emacs")))
  L.weir_edit_set(handle, HISTORY, ffi.cast("void *", L.weir_history), self.history)
  L.weir_edit_set(handle, PROMPT, self.prompt_callback)
  L.weir_edit_set(handle, GETC, self.read_callback)
  bind_keys(handle)
  return self
end


--- Adds a line to the history of the arrow keys.
function Edit:remember(line)
  L.weir_history(self.history, event, H_ENTER, (Wide.new(line)))
end


--- Begins a line and draws the prompt. The terminal stays raw until close: keys that
--- are typed while a line is evaluated go to the next one. The system would cut them at
--- 4096 bytes and swallow Ctrl-D.
function Edit:start(prompt)
  self.prompt, self.wide_prompt = Wide.codes(prompt), (Wide.new(prompt))
  L.weir_edit_set(self.handle, UNBUFFERED, int(0))
  L.weir_edit_set(self.handle, UNBUFFERED, int(1))
end


--- Handles one key that next_character() gives. true: it ended the line. An empty line
--- and the end of the input look alike to libedit: the caller must notice the end.
function Edit:key()
  local text = L.weir_edit_gets(self.handle, count)
  return text ~= nil and text[count[0] - 1] == 10
end


--- The line and the part of it before the cursor.
---@return string line, string before
function Edit:line()
  local line = L.weir_edit_line(self.handle)
  local size = tonumber(line.last - line.buffer)
  if size > 0 and line.last[-1] == 10 then size = size - 1 end
  local before = math.min(tonumber(line.cursor - line.buffer), size)
  return Wide.text(line.buffer, size), Wide.text(line.buffer, before)
end


-- Where the cursor stands after a character, as libedit lays out a line. A tab is
-- blanks up to a multiple of 8 or to the end of the row. A wide character that does not
-- fit at the end of a row goes to the next.
local function advance(row, column, code, columns)
  if code == TAB then
    repeat column = column + 1 until column % 8 == 0 or column >= columns
  else
    local width = Wide.columns(code)
    if column + width > columns then row, column = row + 1, 0 end
    column = column + width
  end
  if column >= columns then row, column = row + 1, column - columns end
  return row, column
end


-- The row of the cursor, 0 that of the prompt.
local function cursor_row(self)
  local columns, rows = Terminal.size()
  local line = L.weir_edit_line(self.handle)
  local row, column = 0, 0
  for _, code in ipairs(self.prompt) do
    row, column = advance(row, column, code, columns)
  end
  for i = 0, tonumber(line.cursor - line.buffer) - 1 do
    row, column = advance(row, column, line.buffer[i], columns)
  end
  return math.min(row, rows - 1)
end


--- Removes the line from the screen. The cursor stands where the prompt began.
function Edit:hide()
  local row = cursor_row(self)
  io.stdout:write("\r", row > 0 and ("\27[%dA"):format(row) or "", "\27[J")
  io.stdout:flush()
end


--- Draws it again, from where the cursor stands.
function Edit:show()
  L.weir_edit_set(self.handle, REFRESH)
end


--- Puts text into the line, in place of `erase` characters before the cursor.
---@param text string
---@param erase integer?
function Edit:insert(text, erase)
  self:hide()
  if erase and erase > 0 then L.weir_edit_delete(self.handle, erase) end
  L.weir_edit_insert(self.handle, (Wide.new(text)))
  self:show()
end


--- The terminal has another size now.
function Edit:resize()
  self:hide()
  L.weir_edit_resize(self.handle)
  self:show()
end


--- The session was stopped and goes on: another program may have changed the terminal,
--- and the cursor is on another line.
function Edit:again()
  L.weir_edit_set(self.handle, PREPARE, int(0))
  L.weir_edit_set(self.handle, PREPARE, int(1))
  self:show()
end


--- Gives everything back.
function Edit:close()
  L.weir_edit_free(self.handle)
  L.weir_history_free(self.history)
  self.prompt_callback:free()
  self.read_callback:free()
end


for _, fn in pairs(Edit) do
  if type(fn) == "function" then jit.off(fn) end
end


return Edit
