-- language/params.lua: the parameters of policy files. A file declares one where it
-- uses it:
--
--     local capacity = param("capacity", "1GiB", "memory of the first tier")
--
-- and `weir run`, `serve`, `repl`, `check`, `replay` --set capacity=2GiB, or `weir
-- sweep capacity=1GiB,2GiB`, give it another value than its default. Used by load.lua.

local Ffi = require "weir.ffi"
local Quantity = require "weir.core.quantity"

local Params = {
  -- What --set gave this process: texts by name.
  given = {},
  -- Values by name that a file may use: those of weir itself, such as the number of a
  -- process. No file need declare them, and --set wins over them.
  offered = {},
  -- Of all files that were loaded: { type, default, help } by name.
  declared = {},
}


local function boolean(text)
  if text == "true" or text == "false" then return true, text == "true" end
end


-- Each returns whether a text is of the type, and the value.
local TYPES = {
  boolean = { "true or false", boolean },
  number = { "a number", function(text)
    return tonumber(text) ~= nil, tonumber(text)
  end },
  size = { "a size such as 64MiB", function(text)
    return Quantity.size(text) ~= nil, text
  end, Quantity.size },
  time = { "a time such as 50ms", function(text)
    return Quantity.seconds(text) ~= nil, text
  end, Quantity.seconds },
  string = { "a string", function(text) return true, text end },
}

local NAMES = { "boolean", "number", "size", "time", "string" }


-- What a default says of the type. "10m" is a time: sizes have an i or a B.
local function type_of(default)
  if type(default) ~= "string" then return type(default) end
  if default:find "^[%d.]+%s*%a*[bB]$" then return "size" end
  if default:find "^[%d.]+%s*%a+$" and Quantity.seconds(default) then return "time" end
  return "string"
end


local function describe(name, default, about)
  if type(name) ~= "string" or not name:find "^[%a_][%w_]*$" then
    error("param takes a name of letters, digits and _ first", 3)
  end
  if type(about) == "string" then about = { help = about } end
  about = about or {}
  if type(about) ~= "table" then
    error("param takes a help text or { type =, help = } last", 3)
  end
  local kind = about.type or default == nil and "string" or type_of(default)
  if not TYPES[kind] then
    error(("param %s: there is no type %q%s"):format(name, tostring(kind),
      Ffi.suggest(tostring(kind), NAMES)), 3)
  end
  return { name = name, type = kind, default = default, help = about.help }
end


local function value_of(row, text)
  local kind = TYPES[row.type]
  local good, value = kind[2](text)
  if not good then
    error(("param %s is %s, not %q%s"):format(row.name, kind[1], text,
      kind[3] and Quantity.excess(text, kind[3]) or ""), 3)
  end
  return value
end


--- The word `param` for one file. given: texts by name that win over --set's.
---@param given table<string, string>?
function Params.word(given)
  return function(name, default, about)
    local row = describe(name, default, about)
    Params.declared[name] = row
    local text = given and given[name] or Params.given[name] or Params.offered[name]
    if text ~= nil then return value_of(row, text) end
    if default == nil then
      error(("param %s has no default: --set %s=... gives it a value"):format(name,
        name), 2)
    end
    return default
  end
end


--- Reads a list of "name=value" into Params.given. nil and why: one is none.
---@param list string[]
---@return boolean?, string?
function Params.read(list)
  for _, text in ipairs(list) do
    local name, value = text:match "^([%a_][%w_]*)=(.*)$"
    if not name then return nil, ("'%s' is not name=value"):format(text) end
    Params.given[name] = value
  end
  return true
end


--- The names that the files which were loaded declare, sorted.
---@return string[]
function Params.names()
  local names = {}
  for name in pairs(Params.declared) do names[#names + 1] = name end
  table.sort(names)
  return names
end


--- nil, or a sentence about a name that was given and that no file declares.
---@param given table<string, any>?
---@return string?
function Params.unknown(given)
  local names = Params.names()
  local list = {}
  for name in pairs(given or Params.given) do list[#list + 1] = name end
  table.sort(list)
  for _, name in ipairs(list) do
    if not Params.declared[name] then
      return ("no param is called %q%s"):format(name, #names == 0
        and ": the file declares none" or Ffi.suggest(name, names))
    end
  end
end


--- Adds --set to a command of argparse.
function Params.define(command)
  command:option "--set"
    :argname "<name>=<value>"
    :description "Give a param(...) of the policy file another value. Repeatable."
    :count "*"
end


return Params
