-- core/unsaved.lua: writes that a tree has acknowledged and that its last store does
-- not have yet. A node that keeps such writes has the field `unsaved`, an object with
-- flush(seconds), left(), error(left), stop() and retire(retired). It may have lasts():
-- whether they outlive the process, so that close need not wait for them, and
-- passes_to(other): whether the object of another version of the tree takes them over.
-- Used by flush and close of stores, and by reload.

local host = require "weir.host"
local Paths = require "weir.observe.paths"

local Unsaved = {}


-- The objects of a tree that are not in `kept`, a set of nodes.
local function objects(root, kept)
  local list = {}
  Paths.each(root, function(node)
    local unsaved = rawget(node, "unsaved")
    if unsaved and not (kept and kept[node]) then list[#list + 1] = unsaved end
  end)
  return list
end


-- Whether a node in `kept` takes over from an object.
local function has_heir(object, kept)
  for node in pairs(object.passes_to and kept or {}) do
    local heir = rawget(node, "unsaved")
    if heir and object:passes_to(heir) then return true end
  end
  return false
end


-- The objects of a tree that would lose something if only the nodes in `kept` stayed.
local function at_risk(root, kept)
  local list = {}
  for _, object in ipairs(objects(root, kept)) do
    if not has_heir(object, kept) then list[#list + 1] = object end
  end
  return list
end


-- Those among the objects whose writes end with the process.
local function mortal(list)
  local some = {}
  for _, object in ipairs(list) do
    if not (object.lasts and object:lasts()) then some[#some + 1] = object end
  end
  return some
end


-- Flushes some objects. Returns the error of what is left, or nil.
local function flush(list, seconds)
  local by, failure = seconds and host.now() + seconds, nil
  for _, object in ipairs(list) do
    local left
    if host.can_park() then
      left = object:flush(by and math.max(by - host.now(), 0))
    else
      left = object:left()
    end
    failure = failure or left and object:error(left)
  end
  return failure
end


local function left_of(list)
  for _, object in ipairs(list) do
    local left = object:left()
    if left then return object:error(left) end
  end
end


--- Flushes a tree, within so many seconds if given. Returns the error of what is left,
--- or nil. kept: a set of nodes that need not be flushed, or nil.
---@param root weir.Store
---@param seconds number?
---@param kept table?
---@return weir.Error?
function Unsaved.flush(root, seconds, kept)
  return flush(at_risk(root, kept), seconds)
end


--- The error of what a tree has not saved, or nil.
---@param root weir.Store
---@param kept table? a set of nodes that do not count
---@return weir.Error?
function Unsaved.left(root, kept)
  return left_of(at_risk(root, kept))
end


-- Seconds that close waits for dirty writes, unless told otherwise.
local FLUSH = 5

--- Flushes a tree that is about to be closed with these options. Returns the error of
--- what is left, or nil.
function Unsaved.at_close(root, opts)
  local timeout = opts and opts.timeout
  local all = objects(root)
  local lost
  if opts and opts.drop then
    lost = left_of(mortal(all))
  else
    lost = flush(mortal(all), timeout or FLUSH)
  end
  for _, object in ipairs(all) do object:stop() end
  return lost
end


--- Makes of a function that waits for the end of a close one that returns `lost`, too.
function Unsaved.told(wait, lost)
  return function()
    local closed, err = wait()
    if lost then return nil, lost end
    if closed then return true end
    return nil, err
  end
end


--- Another version of a tree begins to serve. Nodes that only the old one has write
--- through from now on.
function Unsaved.retire(old, new, kept)
  for _, object in ipairs(objects(old, kept)) do object:retire(true) end
  for _, object in ipairs(objects(new)) do object:retire(false) end
end


return Unsaved
