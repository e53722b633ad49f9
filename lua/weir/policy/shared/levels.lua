-- policy/shared/levels.lua: copies of functions, one for each level of a tree. LuaJIT
-- compiles a call of a function inside itself at most three deep, and a stack of
-- policies is deeper than that. A copy for each node would be compiled for each node: a
-- program with a hundred of them would run mostly what is not compiled. So nodes of the
-- same word at the same height over the leaves share a copy. Used by node.lua.

local Levels = {}

-- A request that goes through several words and back has more constants than LuaJIT
-- allows a trace by default (500). Beyond that it gives up and interprets, which takes
-- three times as long. Shorter traces stay as they are.
jit.opt.start "maxirconst=4000"

-- Higher nodes share the copy of this level.
local HIGHEST = 32

local copies = {} -- by owner, by function, by level


local function duplicate(fn)
  local copy = assert(loadstring(string.dump(fn)))
  for i = 1, debug.getinfo(fn, "u").nups do debug.upvaluejoin(copy, i, fn, i) end
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
  local of_owner = copies[owner]
  if not of_owner then
    of_owner = {}
    copies[owner] = of_owner
  end
  local list = of_owner[fn]
  if not list then
    list = {}
    of_owner[fn] = list
  end
  level = math.min(level, HIGHEST)
  list[level] = list[level] or duplicate(fn)
  return list[level]
end


return Levels
