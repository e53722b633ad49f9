-- core/opener.lua: what opens the stores of the policy file that is being read. Words
-- that open stores by themselves (quota, pin) use it, so that a replay or a spec that
-- gives the file another `memory` gives it to them, too. Set by language/load.lua.

local Opener = {}

-- The words that each coroutine's file was given; MAIN stands for the main one.
local MAIN = {}
local given = setmetatable({}, { __mode = "k" })


local function leave(co, before, ...)
  given[co] = before
  return ...
end


--- Calls fn(...). Until it returns, find looks into `words`.
---@param words table<string, any>
---@param fn function
function Opener.with(words, fn, ...)
  local co = coroutine.running() or MAIN
  local before = given[co]
  given[co] = words
  return leave(co, before, fn(...))
end


--- The word that was given under a name, or nil.
---@param name string
---@return function?
function Opener.find(name)
  local words = given[coroutine.running() or MAIN]
  local word = words and words[name]
  return type(word) == "function" and word or nil
end


return Opener
