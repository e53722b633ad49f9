-- app/repl/complete.lua: the candidates of a Tab for the word before the cursor.
local dot = require "weir.app.repl.complete.dot"
local lua = require "weir.app.repl.complete.lua"

local Complete = {}


--- The candidates for the end of a line, and where that end begins.
---@param session weir.Session
---@param line string the line up to the cursor
---@return string[] candidates, integer start
function Complete.run(session, line)
  if line:find "^%s*%." then return dot(session, line) end
  return lua(session, line)
end


return Complete
