-- host/ngx/policy.lua: reads a policy file in nginx's master, where no store can be
-- opened. The words of policies are real; connectors only check their options. Faults
-- of another kind, such as a directory without write permission, show in the workers.

local ffi = require "ffi"
local Catalog = require "weir.native.catalog"
local Load = require "weir.language.load"
local Policies = require "weir.language.policies"
local Store = require "weir.core.store"
local settings_of = require "weir.native.settings"
local words = require "weir.language.words"
local C = require("weir.ffi").C

local failure = ffi.new "struct weir_error"
local store_slot = ffi.new "struct weir_store *[1]"
local setting_array = ffi.typeof "struct weir_setting[?]"

-- weir_open reads all options before it opens anything, and stops at the first wrong
-- one. With this option as the last one it opens nothing, and stops there if the others
-- are right.
local NO_OPTION = "(none)"


local function names_of(target, options)
  local given, n, keep = settings_of(target, options)
  local all = setting_array(n + 1)
  ffi.copy(all, given, n * ffi.sizeof "struct weir_setting")
  all[n].name, all[n].value = NO_OPTION, ""
  C.weir_open(store_slot, target, all, n + 1, failure)
  local message = ffi.string(failure.message)
  if not message:find(NO_OPTION, 1, true) then error(message, 0) end
  return keep[1]
end


local function check_options(connector, options)
  local names, given = names_of(connector, options), {}
  for _, name in ipairs(names) do given[name] = true end
  for _, option in ipairs(Catalog.describe(connector).options) do
    if option.required and not given[option.name] then
      error(("%s: option %s is missing: %s"):format(connector, option.name,
        option.help), 0)
    end
  end
end


-- Makes a word that accepts what the real word accepts, and opens nothing.
local function stand_in(name)
  if Policies.words[name] then return nil end
  local opens = name == "open"
  if not opens and not Catalog.describe(name) then return nil end
  return words.stand_in(name, function(target, options)
    local check = opens and names_of or check_options
    check(target, options or {})
    return Store.new { name = name, run = function() error("a stand-in", 0) end,
      can_tell = function() return "alone" end }
  end)
end


--- Reads a policy file and raises its errors. Returns it as a chunk for weir.load, so
--- that workers load the version that was checked, whatever happens to the file.
---@param path string
---@return function
return function(path)
  local chunk, why = loadfile(path)
  if not chunk then error(why, 0) end
  local good, wrong = pcall(Load.build, chunk, { open = stand_in })
  if not good then error((tostring(wrong):gsub("^the chunk: ", path .. ": ")), 0) end
  return chunk
end
