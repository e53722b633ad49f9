-- What is wrong with a word that should be a trace and is no file: a param, an option
-- of the URL, the policy file behind its traces. Used by replay.
local Catalog = require "weir.native.catalog"
local Exit = require "weir.app.exit"
local Ffi = require "weir.ffi"
local Params = require "weir.language.params"
local Run = require "weir.replay.run"

local Traces = {}


--- Whether there is a file of this name.
---@param path string
---@return boolean
function Traces.is_file(path)
  local file = io.open(path)
  if file then file:close() end
  return file ~= nil
end


-- The options that the store of a URL has.
local function options_of(url)
  local names = {}
  local connector = url:match "^([%w+.-]+)://" or url
  local info = Catalog.describe(connector)
  for _, list in ipairs { info and info.options or {}, Catalog.store_options() } do
    for _, option in ipairs(list) do names[#names + 1] = option.name end
  end
  return names, connector
end


-- The params that a policy file declares. A file that cannot be loaded has none.
local function params_of(file, opts)
  pcall(Run.check, file, opts)
  return Params.names()
end


local function has(list, word)
  for _, one in ipairs(list) do
    if one == word then return true end
  end
  return false
end


-- What NAME=VALUE is written as, or nil: there is nothing of that name nor near it.
local function written(name, names, write)
  if has(names, name) then return "write " .. write(name) end
  local near = Ffi.nearest(name, names)
  return near and ("did you mean %s?"):format(write(near))
end


local function option_of_url(url, name, value)
  local names, connector = options_of(url)
  local title = Run.title(url)
  if not title:find "://" then title = title .. "://" end
  return written(name, names, function(option)
    return ("'%s%s%s=%s'"):format(title, title:find("?", 1, true) and "&" or "?",
      option, value)
  end) or ("options of a store are part of its URL, and %s has none called %s"):format(
    connector, name)
end


local function param_of_file(file, opts, name, value)
  local names = params_of(file, opts)
  local function set(param) return ("--set %s=%s"):format(param, value) end
  return written(name, names, set)
    or ("%s would set a param, but the file has %s"):format(set(name),
      #names == 0 and "none" or "only " .. table.concat(names, ", "))
end


--- Ends the command for a word that cannot be a trace. opts: of Run.check.
---@param target string the policy file or URL
---@param words string[]
function Traces.check(target, words, opts)
  for _, word in ipairs(words) do
    local name, value = word:match "^([%a_][%w_]*)=(.*)$"
    if word:find "%.lua$" then
      Exit.fail(Exit.USAGE, "%s is a policy file: that comes before the traces", word)
    elseif word:find "^[%w+.-]+://" then
      Exit.fail(Exit.USAGE, "'%s' is a store, no trace", Run.title(word))
    elseif name and not Traces.is_file(word) then
      local means = Run.is_url(target) and option_of_url(target, name, value)
        or param_of_file(target, opts, name, value)
      Exit.fail(Exit.USAGE, "'%s' stands where a trace does, and there is no such "
        .. "file; %s", word, means)
    end
  end
end


return Traces
