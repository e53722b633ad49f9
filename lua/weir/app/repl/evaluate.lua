-- app/repl/evaluate.lua: compiles a text for the session, first as an expression, then
-- as statements, and tells when it only needs more lines. The local variables of a text
-- become variables of the session, so that a script can be pasted.

local Evaluate = {}

-- How a complaint ends about a text that only begins well.
local BEGUN = "'<eof>'$"


-- The function that a text calls for each of its locals. No one types this name.
local KEEP = "__keep_local"


-- The names after each `local` in the text, also in comments and strings. One that is
-- no local at the end of the text keeps its value of the session.
local function names_of_locals(text)
  local names = {}
  for list in text:gmatch "%f[%w_]local%s+([%w_%s,\128-\255]+)" do
    list = list:gsub("^function%s+", "")
    for name in (list .. ","):gmatch "%s*([^%s,]+)[^,]*," do
      local is_name = loadstring("local " .. name)
      names[#names + 1] = is_name and name
    end
  end
  return names
end


-- Statements, and after them a call for each of their locals. nil: they end in a
-- `return`, behind which nothing can stand, or have too many locals.
local function compile_keeping(text, names)
  local calls = {}
  for i, name in ipairs(names) do calls[i] = ("%s(%q, %s)"):format(KEEP, name, name) end
  return loadstring(text .. "\n" .. table.concat(calls, "\n"), "=input")
end


local function statements(text, env)
  local chunk, why = loadstring(text, "=input")
  local names = chunk and names_of_locals(text) or {}
  if #names == 0 then return chunk, why end
  rawset(env, KEEP, function(name, value)
    if not rawequal(env[name], value) then env[name] = value end
  end)
  return compile_keeping(text, names) or chunk
end


--- Compiles a text. nil and "more": it is a beginning. nil and a sentence: it is
--- wrong.
---@param text string
---@param env table
---@return function? chunk, string? why
function Evaluate.compile(text, env)
  local chunk, first = loadstring("return " .. text, "=input")
  local why
  if not chunk then chunk, why = statements(text, env) end
  if not chunk then
    return nil, (first:find(BEGUN) or why:find(BEGUN)) and "more" or why
  end
  -- A loop that is compiled cannot be interrupted: see session.lua.
  jit.off(chunk, true)
  return setfenv(chunk, env)
end


local function passed(fine, ...)
  if not fine then error((...), 0) end
  return ...
end


--- Calls a function that was typed. Its errors name no place in weir's own source.
function Evaluate.call(fn, ...)
  return passed(pcall(fn, ...))
end


return Evaluate
