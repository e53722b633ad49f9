-- app/repl/complete/stored_keys.lua: keys that are in a store now, for completion: a
-- bounded page, with a short timeout.
local Host = require "weir.host"
local Literal = require "weir.app.show.literal"

local Keys = {}

local PATIENCE, MOST = 0.4, 60


--- Keys of a store as they are written inside quotes. A store that is slow or lost
-- completes nothing.
function Keys.live(store, prefix)
  local list = {}
  pcall(function()
    local scan = store:scan {
      prefix = prefix, limit = MOST, page = MOST, deadline = Host.now() + PATIENCE,
    }
    for key in scan do list[#list + 1] = Literal.quote(key):sub(2, -2) end
  end)
  table.sort(list)
  return list
end


--- Inside quotes: the keys, closed when there is but one.
function Keys.quoted(store, typed, quote)
  local prefix = loadstring("return " .. quote .. typed .. quote)
  local list = prefix and Keys.live(store, prefix()) or {}
  if quote == "'" then
    for i, key in ipairs(list) do list[i] = key:gsub("'", "\\'") end
  end
  if #list == 1 then list[1] = list[1] .. quote end
  return list
end


--- Keys as words of a dot command: in quotes where they need them.
function Keys.plain(store, prefix)
  local list = Keys.live(store, prefix)
  for i, key in ipairs(list) do
    if key:find "[%s\\\"']" then list[i] = '"' .. key .. '"' end
  end
  return list
end


return Keys
