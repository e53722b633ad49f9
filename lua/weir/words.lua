-- words.lua: the vocabulary of weir and of policy files: the policies' words and
-- a word for each connector, which opens it. Used by init.lua and load.lua.

local ffi = require "ffi"
local Ffi = require "weir.ffi"
local Native = require "weir.native"

local C = Ffi.C

local Words = {}

local info = ffi.new "struct weir_connector_info"
local failure = ffi.new "struct weir_error"


-- The registry of policy words; a tree without policies has none.
local function registry()
  if not package.searchpath("weir.policy", package.path) then return nil end
  return require "weir.policy"
end


--- The names of the connectors that are there.
---@return string[]
function Words.connectors()
  local size = tonumber(C.weir_connector_names(nil, 0)) + 1
  local text = ffi.new("char[?]", size)
  C.weir_connector_names(text, size)
  local names = {}
  for name in ffi.string(text):gmatch "[^\n]+" do names[#names + 1] = name end
  return names
end


--- All words there are.
---@return string[]
function Words.names()
  local names, policies = Words.connectors(), registry()
  for _, name in ipairs(policies and policies.names() or {}) do
    names[#names + 1] = name
  end
  return names
end


--- A function that opens a connector; `note`, if given, is told of each store.
---@param name string
---@param note fun(store: weir.Store)?
---@return (fun(options: table?): weir.Store)?
function Words.connector(name, note)
  if C.weir_connector_info(name, info, failure) < 0 then return nil end
  return function(options)
    if options ~= nil and type(options) ~= "table" then
      error(("%s takes a table of options, not a %s"):format(name, type(options)), 2)
    end
    local store = Native.open(name, options, 2)
    if note then note(store) end
    return store
  end
end


--- What a word stands for, or nil; `note` as for connector.
---@param name string
---@param note fun(store: weir.Store)?
function Words.find(name, note)
  if type(name) ~= "string" then return nil end
  local policies = registry()
  local word = policies and policies.words[name]
  if word ~= nil then return word end
  return Words.connector(name, note)
end


--- "; did you mean X?", or nothing.
---@param name any
---@param more string[]? further names that would be known
function Words.suggest(name, more)
  local names = Words.names()
  for _, other in ipairs(more or {}) do names[#names + 1] = other end
  return Ffi.suggest(name, names)
end


return Words
