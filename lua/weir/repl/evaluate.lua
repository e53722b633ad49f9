-- evaluate.lua: a text becomes a function of the session: as an expression, then
-- as statements; whether it only needs more lines is told apart.

local Evaluate = {}

-- How a complaint ends about a text that only begins well.
local BEGUN = "'<eof>'$"


--- Compiles a text. nil and "more": it is a beginning. nil and a sentence: it is
--- wrong.
---@param text string
---@param env table
---@return function? chunk, string? why
function Evaluate.compile(text, env)
  local chunk, first = loadstring("return " .. text, "=input")
  local why
  if not chunk then chunk, why = loadstring(text, "=input") end
  if not chunk then
    return nil, (first:find(BEGUN) or why:find(BEGUN)) and "more" or why
  end
  -- A loop that is compiled cannot be interrupted; see session.lua.
  jit.off(chunk, true)
  return setfenv(chunk, env)
end


local function passed(fine, ...)
  if not fine then error((...), 0) end
  return ...
end


--- Calls a function that was typed: what it raises names no place of ours.
function Evaluate.call(fn, ...)
  return passed(pcall(fn, ...))
end


return Evaluate
