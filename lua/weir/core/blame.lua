-- core/blame.lua: finds the user's line for an error. Misuse of a word or a verb is the
-- user's mistake, so its message names the innermost line on the stack that is not
-- weir's. A tail call (`return tier { ... }`) removes its line from the stack. For that
-- case the line that ran last is known while a policy file is loaded. Also makes
-- tracebacks of the user's frames alone.

local Blame = {}

local HERE = debug.getinfo(1, "S").source:match "^(@.*)core/blame%.lua$" or "@weir/"

-- The names of chunks that weir compiles from strings.
local MADE = { ["=run"] = true, ["=assign"] = true }

-- The line of the policy file that is being loaded: { source =, line = }.
---@type { source: string, line: integer }?
local running


--- Whether a function, as debug.getinfo describes it, is of a file of weir, or one of
--- LuaJIT that is written in Lua, such as table.remove.
---@param info { source: string, short_src: string }
function Blame.is_ours(info)
  local source = info.source
  return source:sub(1, #HERE) == HERE or MADE[source] == true
    or info.short_src:sub(1, 9) == "[builtin:"
end


-- The innermost frame of the user's code, and the name under which it called weir; nil:
-- there is none.
local function user_frame()
  local level, called = 3, nil
  while true do
    local info = debug.getinfo(level, "Sln")
    if not info then return nil end
    if info.what ~= "C" and not Blame.is_ours(info) then return info, called end
    if info.what ~= "C" then called = info.name end
    level = level + 1
  end
end


--- Notes the line of the policy file that runs now, or nil: none does. Returns the line
--- before. language/bounded.lua calls it while it runs a file.
---@param place { source: string, line: integer }?
function Blame.note_line(place)
  local before = running
  running = place
  return before
end


--- Puts the user's place in front of a message, unless it is there already. word: the
--- word that was called. If the user's innermost frame called another name, it called
--- the word in a tail call.
---@param message any
---@param word string?
function Blame.placed(message, word)
  if type(message) ~= "string" then return message end
  local info, called = user_frame()
  local place = info and ("%s:%d: "):format(info.short_src, info.currentline)
  if running and (not info or word and called ~= word) then
    place = ("%s:%d: "):format(running.source, running.line)
  end
  if not place or message:sub(1, #place) == place then return message end
  return place .. message
end


-- ---- tracebacks ----

local function described(info)
  if info.what == "main" then return "in main chunk" end
  if info.name then return ("in function '%s'"):format(info.name) end
  return ("in function <%s:%d>"):format(info.short_src, info.linedefined)
end


-- The frames that a traceback shows. A stack that overflowed has thousands.
local MOST_FRAMES = 20

-- The innermost frames of a suspended coroutine that belong to the user, as text; nil
-- if there are none.
local function frames_of(co)
  local lines, level = {}, 0
  local info = debug.getinfo(co, level, "Sln")
  while info do
    if info.what ~= "C" and not Blame.is_ours(info) then
      if #lines == MOST_FRAMES then
        lines[#lines + 1] = "\t..."
        break
      end
      lines[#lines + 1] = ("\t%s:%d: %s"):format(info.short_src, info.currentline,
        described(info))
    end
    level = level + 1
    info = debug.getinfo(co, level, "Sln")
  end
  if #lines == 0 then return nil end
  return "stack traceback:\n" .. table.concat(lines, "\n")
end


-- The last error that ended a task, and the frames where it was raised.
local last, frames


--- Whether an error can be written: a string or number, or a table that says how.
---@param err any
---@return boolean
function Blame.is_message(err)
  local meta = getmetatable(err)
  return type(err) == "string" or type(err) == "number"
    or type(meta) == "table" and meta.__tostring ~= nil
end


--- An error as text. One of Lua's tables, nil or a boolean is called that.
---@param err any
---@return string
function Blame.sentence(err)
  if Blame.is_message(err) then return tostring(err) end
  return ("an error that is a %s, not a message"):format(type(err))
end


-- Keeps where each error was raised that comes from a coroutine.
local function take_notes(co, err)
  while true do
    if co and (type(err) == "string" or not Blame.is_message(err)) then
      last, frames = err, frames_of(co)
    end
    co, err = coroutine.yield()
  end
end

local note


--- Gets ready for remember. After an overflow there is too little room for it.
function Blame.prepare()
  note = note or coroutine.wrap(take_notes)
end


--- A handler for xpcall around user code: returns the error unchanged, and keeps where
--- it was raised. After an overflow there is little room on the stack for calls, so a
--- coroutine with a stack of its own looks at it.
function Blame.remember(err)
  note(coroutine.running(), err)
  return err
end


-- What LuaJIT makes of an error for whose handler there was no room on the stack.
local NO_ROOM = "error in error handling"

Blame.OVERFLOW = "stack overflow, or an error in a handler of errors"


--- The error that ended a task, or a sentence where LuaJIT has only a riddle. remember
--- raises no errors.
function Blame.clear(err)
  return err == NO_ROOM and Blame.OVERFLOW or err
end


--- The user's frames where an error was raised; nil: not known.
---@param err any
---@return string?
function Blame.trace(err)
  return last == err and frames or nil
end


return Blame
