-- native/settings.lua: turns a table of options into the names and strings that
-- weir_open reads. Numbers stay plain numbers, which C reads as seconds or bytes.

local ffi = require "ffi"

local setting_array = ffi.typeof "struct weir_setting[?]"


-- C takes a text to its first NUL byte.
local function has_nul(text)
  return text:find("\0", 1, true) ~= nil
end


local function number_words(x)
  if x ~= x or x == math.huge or x == -math.huge then return nil end
  if x % 1 == 0 then return ("%.0f"):format(x) end
  return (("%.9f"):format(x):gsub("0+$", ""))
end


local words


-- { get = 4, set = 2 } as "get=4,set=2"; { "a", "b" } as "a,b".
local function table_words(x)
  local parts = {}
  for name, value in pairs(x) do
    local text = words(value)
    if not text or type(value) == "table" then return nil end
    parts[#parts + 1] = type(name) == "string" and name .. "=" .. text or text
  end
  if #x == 0 then table.sort(parts) end
  return table.concat(parts, ",")
end


function words(x)
  local kind = type(x)
  if kind == "string" then return not has_nul(x) and x or nil end
  if kind == "number" then return number_words(x) end
  if kind == "boolean" then return tostring(x) end
  return kind == "table" and table_words(x) or nil
end


local function describe(x)
  if type(x) == "string" then return "a string with a NUL byte" end
  return type(x) == "number" and tostring(x) or "a " .. type(x)
end


local function check_name(scheme, name)
  if type(name) ~= "string" then
    error(("%s: options are { name = value }, not a list"):format(scheme), 0)
  end
  if has_nul(name) then
    error(("%s: no option is named %q"):format(scheme, name), 0)
  end
end


--- Returns the settings for C, how many there are, and the strings to keep alive
--- meanwhile. Its errors have no place. They call the target by its scheme: the rest
--- may contain a secret.
return function(target, options)
  local scheme = target:match "^[%w+.-]*"
  if has_nul(target) then
    error(scheme .. ": the name or URL of a store has no NUL byte", 0)
  end
  local names, values = {}, {}
  for name, value in pairs(options) do
    check_name(scheme, name)
    local text = words(value)
    if not text then
      error(("%s: option %q cannot be %s"):format(scheme, name, describe(value)), 0)
    end
    names[#names + 1], values[#names + 1] = name, text
  end
  local n = #names
  local settings = setting_array(math.max(n, 1))
  for i = 1, n do
    settings[i - 1].name, settings[i - 1].value = names[i], values[i]
  end
  return settings, n, { names, values }
end
