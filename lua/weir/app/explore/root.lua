-- app/explore/root.lua: the tree that a store stands for: past the guard of a session
-- and past the handle of a policy file. For commands that name the places of a tree.
local Guard = require "weir.app.explore.guard"


---@param store weir.Store
---@return weir.Store
return function(store)
  if Guard.is(store) then store = store.inner end
  local version = rawget(store, "version")
  return version and version.root or store
end
