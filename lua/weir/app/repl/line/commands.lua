-- app/repl/line/commands.lua: the dot commands, in the order of the help. Each is a
-- table. Those that only look into stores are shared with the command line
-- (app/explore.lua), the others belong to the session (app/repl/dot/).
local Explore = require "weir.app.explore"
local Ffi = require "weir.ffi"

local Commands = {}

local NAMES = {
  "help", "stores", "use", "open", "close", "load", "reload", "undo",
  "ls", "head", "hex", "stat", "where", "big", "hot", "du", "more",
  "explain", "trace", "tree", "stats", "lat", "watch", "bench",
  "diff", "cp", "fault", "heal", "breaker",
  "time", "format", "quit",
}


--- The command of that name, or nil.
---@param name string
---@return table?
function Commands.find(name)
  local known = false
  for _, other in ipairs(NAMES) do known = known or other == name end
  if not known then return nil end
  return Explore.find(name) or require("weir.app.repl.dot." .. name)
end


--- All names, in the order of the help.
---@return string[]
function Commands.names()
  return NAMES
end


--- "; did you mean .x?", or nothing.
function Commands.suggest(name)
  return (Ffi.suggest(name, NAMES):gsub('"', '".', 1))
end


return Commands
