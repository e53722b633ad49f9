-- language/words.lua: all words of weir and of policy files: those of the policies, a
-- word for each connector, which opens it, and open, which takes a URL. Used by
-- init.lua and load.lua.

local ffi = require "ffi"
local Blame = require "weir.core.blame"
local Catalog = require "weir.native.catalog"
local Ffi = require "weir.ffi"
local Foreign = require "weir.language.foreign"
local Native = require "weir.native"
local Policies = require "weir.language.policies"
local Value = require "weir.core.value"

local C = Ffi.C

local Words = {}

local info = ffi.new "struct weir_connector_info"
local failure = ffi.new "struct weir_error"


--- The names of the connectors that are there.
---@return string[]
function Words.connectors()
  return Catalog.names()
end


--- All words there are.
---@return string[]
function Words.names()
  local names = Words.connectors()
  names[#names + 1] = "open"
  for _, name in ipairs(Policies.names()) do names[#names + 1] = name end
  return names
end


-- Makes a word that opens a store. `open` takes the target as an argument; the other
-- words are the target. make(target, options) opens it. Its errors get the place where
-- the word stands.
local function opener(word, make)
  local function checked(target, options)
    if type(target) ~= "string" then
      error("open takes a URL or a connector's name, not " .. Value.describe(target), 0)
    end
    if options ~= nil and type(options) ~= "table" then
      error(("%s takes a table of options, not a %s"):format(word, type(options)), 0)
    end
    return make(target, options)
  end
  return function(first, second)
    local good, store
    if word == "open" then
      good, store = pcall(checked, first, second)
    else
      good, store = pcall(checked, word, first)
    end
    if not good then error(Blame.placed(store, word), 0) end
    return store
  end
end


--- The word `open`, or the word of a connector. note(store), if given, is called with
--- each store that is opened.
---@param name string
---@param note fun(store: weir.Store)?
---@return (fun(...): weir.Store)?
function Words.opener(name, note)
  local known = name == "open" or C.weir_connector_info(name, info, failure) >= 0
  if not known then return nil end
  return opener(name, function(target, options)
    local store = Native.open(target, options)
    if note then note(store) end
    return store
  end)
end


--- Like opener, but make(target, options) returns the store.
Words.stand_in = opener


--- The meaning of a word, or nil. note: as for opener.
---@param name string
---@param note fun(store: weir.Store)?
function Words.find(name, note)
  if type(name) ~= "string" then return nil end
  local word = Policies.words[name]
  if word ~= nil then return word end
  return Words.opener(name, note)
end


--- "; did you mean X?", how a word of others is written here, or nothing.
---@param name any
---@param more string[]? further names that would be known
function Words.suggest(name, more)
  if name == "weir" then return ("; write local weir = require %q"):format(name) end
  local meant = Foreign.suggest(name)
  if meant then return meant end
  local names = Words.names()
  for _, other in ipairs(more or {}) do names[#names + 1] = other end
  return Ffi.suggest(name, names)
end


return Words
