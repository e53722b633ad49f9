-- observe/paths.lua: the place of each store of a tree: `default.tier[2].retry`. A path
-- is made of the labels of the children of words over several stores and of the words
-- below. The root's own word is left out of the others' paths. Used by everything that
-- shows a tree: tree, stats, explain, trace, check.

local Paths = {}

local MOST = 2000 -- places


-- The name of a store in a path.
local function title(store)
  return store.title or store.word or store.name:match "^[%w_]+" or "store"
end


local function labelled(path, label)
  if type(label) == "number" then return ("%s[%d]"):format(path, label) end
  if label:match "^[%a_][%w_]*$" then
    return path == "" and label or path .. "." .. label
  end
  return ("%s[%q]"):format(path, label)
end


local function is_store(x)
  return type(x) == "table" and type(x.run) == "function"
end


local function by_label(a, b)
  local left, right = a[1], b[1]
  if type(left) ~= type(right) then return type(left) == "number" end
  return left < right
end


--- The children of a store as { label, store }, in a fixed order.
function Paths.children(store)
  local list = {}
  for label, child in pairs(store.children or {}) do
    if is_store(child) then list[#list + 1] = { label, child } end
  end
  table.sort(list, by_label)
  return list
end


--- Calls fn(store) for every store of a tree once, children first.
function Paths.each(store, fn, seen)
  seen = seen or {}
  if seen[store] then return end
  seen[store] = true
  for _, entry in ipairs(Paths.children(store)) do Paths.each(entry[2], fn, seen) end
  fn(store)
end


-- Two nodes of one path (a retry over a retry at the root) are told apart.
local function unique(found, path)
  local candidate, n = path, 1
  while found.store[candidate] do
    n = n + 1
    candidate = path .. "#" .. n
  end
  return candidate
end


-- Returns the place, or nil: there is no room to list a store once more.
local function visit(found, store, prefix, path, depth, label)
  if found.path[store] and #found.list >= MOST then return nil end
  path = unique(found, path)
  local place = { path = path, store = store, depth = depth, label = label,
    children = {}, again = found.path[store] ~= nil }
  found.path[store], found.store[path] = found.path[store] or path, store
  found.list[#found.list + 1] = place
  local children = Paths.children(store)
  local single = #children == 1 and children[1][1] == 1
  for _, entry in ipairs(children) do
    local own, child = entry[1], entry[2]
    local base = single and prefix or labelled(prefix, own)
    local below = base == "" and title(child) or base .. "." .. title(child)
    table.insert(place.children,
      visit(found, child, below, below, depth + 1, not single and own or nil))
  end
  return place
end


--- The places of a tree, parents first: .list of { path, store, depth, label, children,
--- again }, .path by store, .store by path. A store that is used twice has two places:
--- the second is `again`, and .path says the first. Trees that share so much
--- that there would be more than 2,000 places list what is left once. The handle of a
--- policy file stands for the tree that it serves from.
function Paths.of(root)
  local version = rawget(root, "version")
  root = version and version.root or root
  local found = { list = {}, path = {}, store = {} }
  visit(found, root, "", title(root), 0, nil)
  return found
end


--- The place of a child below another place. A store that is not there, which a
--- function of a route may name, has a place of its own.
---@param place table
---@param store weir.Store
---@param turn integer? which one, when the child is there several times; default: 1
function Paths.below(place, store, turn)
  local last
  turn = turn or 1
  for _, child in ipairs(place.children) do
    if child.store == store then
      last, turn = child, turn - 1
      if turn == 0 then break end
    end
  end
  return last or { path = store.name, store = store, children = {} }
end


return Paths
