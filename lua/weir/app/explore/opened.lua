-- app/explore/opened.lua: opens a store by a URL, a connector's name or a policy file.
-- `prod=true` among a URL's options marks a store whose changes must be confirmed. A
-- policy file marks one of its stores by `store.prod = true`.
local Catalog = require "weir.native.catalog"
local Guard = require "weir.app.explore.guard"
local Mistaken = require "weir.app.explore.mistaken"
local weir = require "weir"

local Opened = {}

-- The names of stores in a session, where it is not the connector's name.
local TITLES = { fs = "disk", rediss = "redis", ["redis+unix"] = "redis" }


local function is_file(target)
  local file = io.open(target)
  local there = file ~= nil and file:read(0) ~= nil
  if file then file:close() end
  return there
end


-- How a boolean is written in a URL.
local SAID = {
  ["true"] = true, yes = true, on = true, ["1"] = true,
  ["false"] = false, no = false, off = false, ["0"] = false,
}


-- Whether a URL holds a secret: then the text after an & may be a part of it.
local function holds_secret(url)
  if url:find("@", 1, true) then return true end
  local info = Catalog.describe(url:match("^[^:?]*"):lower())
  for _, option in ipairs(info and info.options or {}) do
    if option.type == "secret" and url:find("[?&]" .. option.name .. "=") then
      return true
    end
  end
  return false
end


-- A URL without prod=..., and whether it said true.
local function without_mark(url)
  local path, query = url:match "^([^?]*)%?(.*)$"
  if not query then return url, false end
  local rest, prod = {}, false
  for option in query:gmatch "[^&]+" do
    local said = option:match "^prod=(.*)$"
    if not said then
      rest[#rest + 1] = option
    elseif SAID[said] == nil then
      local got = holds_secret(url) and "" or (", not '%s'"):format(said)
      error("prod is true or false" .. got, 0)
    else
      prod = SAID[said]
    end
  end
  return #rest > 0 and path .. "?" .. table.concat(rest, "&") or path, prod
end


-- The connector in front of a path: fs:cache, lua:kv.lua. Else nil.
local function connector_of(target)
  local name = target:match "^([%w+.-]+):"
  name = name and name:lower()
  return name and Catalog.describe(name) and name
end


-- The kind of a target: "file", or a scheme or connector.
local function kind_of(target)
  local scheme = target:match "^([%w+.-]+)://"
  if scheme then return scheme:lower() end
  if is_file(target) then return "file" end
  return connector_of(target) or target:find "%.lua$" and "file" or target
end


-- The options of a store that will not be written to: its connector must not make its
-- folder, unless the URL says so.
local function untouched(kind, url)
  local info = Catalog.describe(kind)
  for _, option in ipairs(info and info.options or {}) do
    if option.name == "create" and option.type == "boolean"
      and not url:find "[?&]create=" then return { create = false } end
  end
end


-- A file of another name is often no policy at all.
local function load_file(path)
  local good, store = pcall(weir.load, path)
  if good then return store end
  local why = path:find "%.lua$" and "" or path .. " is read as a policy file: "
  error(why .. tostring(store), 0)
end


-- The end of the sentence about a target that could not be opened.
local function hint(target, why)
  if why:find "did you mean" then return "" end
  local text = Mistaken.hint(target)
  local unknown = why:find "^no connector is named" or why:find "^neither a URL"
  if text ~= "" or not unknown or target:find(":", 1, true) then return text end
  return ("; there is no file %s either"):format(target)
end


--- Opens a store. Raises an error that says what is wrong with the target.
---@param target string
---@param reading boolean? it will not be written to; a policy file decides for itself
---@return weir.Store store, { prod: boolean, title: string, opened_as: string? } marks
function Opened.open(target, reading)
  if target == "" then error("the name of the store is empty", 0) end
  local kind = kind_of(target)
  if kind == "file" then
    local store = load_file(target)
    local title = target:match "([^/]*)$":gsub("%.lua$", ""):gsub("[^%w_]", "_")
    return store, { prod = Guard.is_prod(store), title = title }
  end
  local url, prod = without_mark(target)
  local good, store = pcall(weir.open, url, reading and untouched(kind, url) or nil)
  if not good then
    local why = tostring(store):gsub("^[^:]+%.lua:%d+: ", "")
    error(why .. hint(target, why), 0)
  end
  return store, { prod = prod, opened_as = kind,
    title = TITLES[kind] or kind:gsub("[^%w_]", "_") }
end


return Opened
