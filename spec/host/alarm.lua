-- alarm.lua: what a whole error log of nginx may not have: a process that crashed,
-- or what nginx itself calls an alert.
local WORDS = { "exited on signal %d+", "%[alert%]", "%[crit%]", "%[emerg%]" }


--- The first such line, or nil.
---@param log string
---@return string?
return function(log)
  log = log:gsub("%[alert%][^\n]*lua_code_cache is off", "")
  for _, word in ipairs(WORDS) do
    local line = log:match("[^\n]*" .. word .. "[^\n]*")
    if line then return line end
  end
end
