-- native/catalog.lua: describes connectors and their options as Lua tables, read from
-- the option tables in C. Used by the command and the REPL.
local ffi = require "ffi"
local Error = require "weir.core.error"
local Op = require "weir.core.op"
local C = require("weir.ffi").C

local Catalog = {}

local TYPES = {
  [C.WEIR_STRING] = "string",
  [C.WEIR_INTEGER] = "integer",
  [C.WEIR_SIZE] = "size",
  [C.WEIR_DURATION] = "duration",
  [C.WEIR_BOOLEAN] = "boolean",
  [C.WEIR_ENUM] = "enum",
  [C.WEIR_PATH] = "path",
  [C.WEIR_SECRET] = "secret",
  [C.WEIR_SECRET_FILE] = "path",
}

local PARTS = {
  [C.WEIR_URL_USER] = "user",
  [C.WEIR_URL_PASSWORD] = "password",
  [C.WEIR_URL_HOST] = "host",
  [C.WEIR_URL_PORT] = "port",
  [C.WEIR_URL_PATH] = "path",
}


local function text(pointer)
  return pointer ~= nil and ffi.string(pointer) or nil
end


local function words(list, pattern)
  local all = {}
  for word in (list or ""):gmatch(pattern) do
    all[#all + 1] = word
  end
  return all
end


local function operations(bits)
  local names = {}
  for _, name in ipairs(Op.list) do
    if bit.band(bits, bit.lshift(1, Op.number[name])) ~= 0 then
      names[#names + 1] = name
    end
  end
  return names
end


-- Zero for both bounds means any; for the upper one alone, no upper one.
local function bounds(row)
  local min, max = tonumber(row.min), tonumber(row.max)
  if min == 0 and max == 0 then return nil, nil end
  return min, max ~= 0 and max or nil
end


local function option(row)
  local min, max = bounds(row)
  local choices = text(row.choices)
  return {
    name = text(row.name),
    help = text(row.help),
    type = TYPES[row.type],
    default = text(row.value),
    required = row.required ~= 0 or nil,
    choices = choices and words(choices, "[^|]+"),
    min = min, -- bytes, nanoseconds or a plain number, by type
    max = max,
    url = PARTS[row.url],
    url_schemes = row.scheme ~= nil and words(text(row.scheme), "%S+") or nil,
  }
end


local function options(rows)
  local list = {}
  while rows ~= nil and rows[#list].name ~= nil do
    list[#list + 1] = option(rows[#list])
  end
  return list
end


--- The names of the connectors that are there, sorted.
---@return string[]
function Catalog.names()
  local size = tonumber(C.weir_connector_names(nil, 0)) + 1
  local list = ffi.new("char[?]", size)
  C.weir_connector_names(list, size)
  return words(ffi.string(list), "[^\n]+")
end


--- Describes a connector, by its name or a URL scheme: name, help, schemes, ops,
--- inline, options. nil and an error: there is none.
---@param name string
---@return table?, weir.Error?
function Catalog.describe(name)
  local info = ffi.new "struct weir_connector_info"
  local err = ffi.new "struct weir_error"
  if C.weir_connector_info(name, info, err) < 0 then
    return nil, Error.new("invalid", ffi.string(err.message))
  end
  return {
    name = text(info.name),
    help = text(info.help),
    schemes = words(text(info.schemes), "%S+"),
    ops = operations(info.ops),
    inline = info.is_inline ~= 0,
    options = options(info.options),
  }
end


--- Describes all connectors that can be loaded, in the order of their names. The second
--- list is of those that cannot, each with name and error.
---@return table[], table[]
function Catalog.all()
  local good, broken = {}, {}
  for _, name in ipairs(Catalog.names()) do
    local info, err = Catalog.describe(name)
    good[#good + 1] = info
    if not info then broken[#broken + 1] = { name = name, error = tostring(err) } end
  end
  return good, broken
end


--- Lists the options that every store has.
---@return table[]
function Catalog.store_options()
  return options(C.weir_store_options())
end


return Catalog
