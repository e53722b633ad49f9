-- serve/subcommands.lua: commands that have subcommands: CLIENT, CONFIG, COMMAND, WEIR.

local Ffi = require "weir.ffi"

local Subcommands = {}


--- The error of a subcommand with too few or too many words.
function Subcommands.wrong_count(name, sub)
  return ("ERR wrong number of arguments for '%s|%s' command"):format(name, sub:lower())
end


local function names_of(subs)
  local names = {}
  for name in pairs(subs) do names[#names + 1] = name end
  table.sort(names)
  return names
end


--- A handler that calls the function of its first argument. HELP lists them.
---@param name string the command
---@param subs table<string, fun(call: table)>
function Subcommands.of(name, subs)
  local names = names_of(subs)
  return function(call)
    local word = (call.args[2] or ""):lower()
    if subs[word] then return subs[word](call) end
    if word == "help" then
      local lines = { name:upper() .. " <subcommand>. Subcommands are:" }
      for _, sub in ipairs(names) do lines[#lines + 1] = sub:upper() end
      return call.out:list(lines)
    end
    call.out:error(("ERR unknown subcommand '%s'. Try %s HELP.%s"):format(
      call.args[2] or "", name:upper(),
      Ffi.suggest(word, names):gsub("^; (.)", function(c) return " " .. c:upper() end)))
  end
end


return Subcommands
