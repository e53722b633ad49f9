-- observe/breakers.lua: the breakers of a tree, for people who look at them and set
-- them by hand: WEIR BREAKER, weir_ask and .breaker.

local Ffi = require "weir.ffi"
local Paths = require "weir.observe.paths"

local Breakers = {}


--- The breakers of a tree: { path, state, node }, each once.
---@param root weir.Store
function Breakers.list(root)
  local list = {}
  for _, place in ipairs(Paths.of(root).list) do
    if place.store.word == "breaker" and not place.again then
      list[#list + 1] = { path = place.path, state = place.store.state,
        node = place.store }
    end
  end
  return list
end


-- The breaker of a path. Without a path the only one.
local function find(list, path)
  local paths = {}
  for i, entry in ipairs(list) do
    if entry.path == path or not path and #list == 1 then return entry end
    paths[i] = entry.path
  end
  if #list == 0 then error("there is no breaker", 0) end
  if not path then
    error("there are several breakers, say which: " .. table.concat(paths, ", "), 0)
  end
  error(("no breaker at %q; there are %s%s"):format(path, table.concat(paths, ", "),
    Ffi.suggest(path, paths)), 0)
end


--- Sets a breaker by hand: "open", "disable" or "reset". Without a path the only one.
--- Returns its path and its new state. Raises a sentence that says what is wrong.
---@param root weir.Store
---@param action string
---@param path string?
function Breakers.force(root, action, path)
  local entry = find(Breakers.list(root), path)
  local ok, err = pcall(entry.node.force, entry.node, action)
  if not ok then error(err, 0) end
  return entry.path, entry.node.state
end


--- The breakers of a tree as text, one a line.
function Breakers.text(root)
  local lines = {}
  for i, entry in ipairs(Breakers.list(root)) do
    lines[i] = ("%-12s %s"):format(entry.state, entry.path)
  end
  return #lines > 0 and table.concat(lines, "\n") or "there is no breaker"
end


return Breakers
