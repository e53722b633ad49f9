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


--- The user's frames on this stack; nil: there are none. `level` as for
--- debug.traceback.
---@param level integer?
---@return string?
function Blame.frames(level)
  local lines = {}
  level = (level or 1) + 1
  local info = debug.getinfo(level, "Sln")
  while info do
    if info.what ~= "C" and not Blame.is_ours(info) then
      lines[#lines + 1] = ("\t%s:%d: %s"):format(info.short_src, info.currentline,
        described(info))
    end
    level = level + 1
    info = debug.getinfo(level, "Sln")
  end
  if #lines == 0 then return nil end
  return "stack traceback:\n" .. table.concat(lines, "\n")
end


-- The last error that ended a task, and the frames where it was raised.
local last, frames


--- A handler for xpcall around user code: returns the error unchanged, and keeps where
--- it was raised.
function Blame.remember(err)
  if type(err) == "string" then last, frames = err, Blame.frames(2) end
  return err
end


--- The user's frames where an error was raised; nil: not known.
---@param err string
---@return string?
function Blame.trace(err)
  return last == err and frames or nil
end


return Blame
