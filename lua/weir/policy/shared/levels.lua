-- policy/shared/levels.lua: lets LuaJIT compile requests through a deep tree of words.
-- Used by node.lua.
--
-- LuaJIT compiles a call of a function inside itself at most three deep, and a stack of
-- words is deeper than that. So there are copies of functions, one for each level of a
-- tree. A copy for each node would be compiled for each node: a program with a hundred
-- of them would run mostly what is not compiled. So nodes of the same word at the same
-- height over the leaves share a copy.
--
-- LuaJIT also compiles everything between the caller and the store at the foot as one
-- trace. The variables of all words must then be kept at the same time. From about six
-- words on there are too many, LuaJIT gives up and interprets. So every third level
-- ends the trace: see Levels.ends_trace.

local Levels = {}

-- A request that goes through several words and back has more constants than LuaJIT
-- allows a trace by default (500). Beyond that it gives up and interprets, which takes
-- three times as long. Shorter traces stay as they are.
jit.opt.start "maxirconst=4000"

-- Higher nodes share the copy of this level.
local HIGHEST = 32

-- Levels from one end of a trace to the next.
local APART = 3

local copies = {} -- by owner, by level, by function


local function source_of(fn)
  return debug.getinfo(fn, "S").source
end


-- Copies a function, and the functions of the same file that it calls. They share all
-- other variables with the originals. made: the copies of the level, by original.
local function duplicate(fn, made)
  if made[fn] then return made[fn] end
  local copy, source = assert(loadstring(string.dump(fn))), source_of(fn)
  made[fn] = copy
  for i = 1, debug.getinfo(fn, "u").nups do
    local _, value = debug.getupvalue(fn, i)
    if type(value) == "function" and source_of(value) == source then
      debug.setupvalue(copy, i, duplicate(value, made))
    else
      debug.upvaluejoin(copy, i, fn, i)
    end
  end
  return copy
end


--- How high a node stands: 1 over leaves only.
---@param children table
---@return integer
function Levels.of(children)
  local most = 0
  for _, child in pairs(children) do most = math.max(most, child.level or 0) end
  return most + 1
end


--- The copy of a function for a level. owner: functions of different owners share none.
---@param owner table
---@param fn function
---@param level integer
---@return function
function Levels.copy(owner, fn, level)
  level = math.min(level, HIGHEST)
  local of_owner = copies[owner] or {}
  copies[owner] = of_owner
  of_owner[level] = of_owner[level] or {}
  return duplicate(fn, of_owner[level])
end


--- Whether the nodes of a level call end_trace when they run.
---@param level integer
---@return boolean
function Levels.ends_trace(level)
  return level % APART == 0
end


--- Ends the trace that runs, and begins another one. LuaJIT does this at each call of a
--- function of C that it cannot compile (trace stitching). This one is the cheapest.
--- The new trace reads the variables of the callers from the stack when they go on.
Levels.end_trace = coroutine.running


return Levels
