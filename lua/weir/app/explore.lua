-- app/explore.lua: the commands that look into stores. Each is a table in
-- app/explore/NAME.lua: name, summary, arguments, options, run(view, args). The session
-- makes a dot command of it, the command line a subcommand.
local Explore = {}

local NAMES = { ls = true, head = true, hex = true, where = true, big = true, du = true,
  explain = true, trace = true, tree = true, stats = true, lat = true, diff = true,
  cp = true }


--- The command of that name, or nil.
---@param name string
---@return table?
function Explore.find(name)
  return NAMES[name] and require("weir.app.explore." .. name) or nil
end


return Explore
