-- app/explore/mistaken.lua: a suggestion for a word that is no store: an address or a
-- folder without the scheme in front, a scheme without its slashes. The schemes are
-- those of the connectors. A word that may hold a password is not repeated.
local Catalog = require "weir.native.catalog"

local Mistaken = {}


local function has(info, field, value)
  for _, option in ipairs(info.options) do
    if option[field] == value then return true end
  end
  return false
end


-- A connector that reaches a server has a port.
local function takes_address(info)
  return has(info, "url", "port")
end


-- A connector that keeps values in a folder can make the folder. One whose URL may have
-- a name instead of a path makes something else.
local function makes_folder(info)
  return has(info, "name", "create") and not has(info, "url", "host")
end


-- The connectors that fit.
local function schemes(fits)
  local list = {}
  for _, info in ipairs((Catalog.all())) do
    if fits(info) then list[#list + 1] = info.name end
  end
  return list
end


-- HOST:PORT, or a host that no other word looks like.
local function is_address(text)
  local host, port = text:match "^(%[[%x:.]+%])(.*)$"
  if not host then host, port = text:match "^([%w.-]+)(.*)$" end
  if port ~= "" then return port ~= nil and port:find "^:%d+$" ~= nil end
  return host == "localhost" or host:find "^%[" ~= nil
    or host:find "^%d+%.%d+%.%d+%.%d+$" ~= nil
end


local function is_folder(path)
  local file = io.open(path .. "/.")
  if file then file:close() end
  return file ~= nil
end


-- A path as the part of a URL.
local function encoded(path)
  return (path:gsub("[%%?&@#]", function(c) return ("%%%02X"):format(c:byte()) end))
end


-- The URLs that begin with these schemes and go on so.
local function meant(names, rest)
  if #names == 0 then return "" end
  local urls = {}
  for i, name in ipairs(names) do urls[i] = name .. rest end
  return "; did you mean " .. table.concat(urls, " or ") .. "?"
end


-- redis:h or redis:/h
local function without_slashes(target)
  local name = target:match "^([%w+-]+):"
  if not name or not Catalog.describe(name) then return "" end
  return ("; a URL begins with %s://"):format(name)
end


--- Returns "; did you mean redis://127.0.0.1:6379?", or nothing.
---@param target string
---@return string
function Mistaken.hint(target)
  if target:find("://", 1, true) then return "" end
  if is_address(target) then return meant(schemes(takes_address), "://" .. target) end
  if target:find "^/" then
    return meant(schemes(makes_folder), "://" .. encoded(target))
  end
  if is_folder(target) then
    return meant(schemes(makes_folder), "://?path=" .. encoded(target))
  end
  return without_slashes(target)
end


return Mistaken
