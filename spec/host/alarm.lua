-- alarm.lua: what a whole error log of nginx may not have: a process that crashed,
-- or what nginx itself calls an alert, unless the spec has asked for it.
local WORDS = { "exited on signal %d+", "%[alert%]", "%[crit%]", "%[emerg%]" }
local ASKED_FOR = { "lua_code_cache is off", "lua_max_running_timers are not enough" }


--- The first such line, or nil.
---@param log string
---@return string?
return function(log)
  for _, text in ipairs(ASKED_FOR) do log = log:gsub("%[alert%][^\n]*" .. text, "") end
  for _, word in ipairs(WORDS) do
    local line = log:match("[^\n]*" .. word .. "[^\n]*")
    if line then return line end
  end
end
