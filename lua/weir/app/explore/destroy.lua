-- app/explore/destroy.lua: removes a store itself, with all that it keeps, where its
-- connector has the option destroy (shm: the mapping). Processes that have it open keep
-- what they have until they close it. Who opens the store anew gets an empty one.
local Catalog = require "weir.native.catalog"
local Guard = require "weir.app.explore.guard"
local Native = require "weir.native"
local Quantity = require "weir.core.quantity"

local Destroy = {}


local function bare(store)
  return Guard.is(store) and store.inner or store
end


-- How the store was opened; nil: it is not one that can be destroyed.
local function opened_of(store)
  local opened = rawget(bare(store), "opened")
  local info = opened and Catalog.describe(opened.target:match "^[^:?]*":lower())
  for _, option in ipairs(info and info.options or {}) do
    if option.name == "destroy" and option.type == "boolean" then return opened end
  end
end


--- Raises an error unless the store can be destroyed.
---@param store weir.Store
function Destroy.check(store)
  if opened_of(store) then return end
  error(("%s cannot be destroyed, only a single shm store can: delete keys instead")
    :format(store.name), 0)
end


--- What would go, for a question.
---@param store weir.Store
---@return string
function Destroy.describe(store)
  local gauges = bare(store):stats().gauges
  local others = gauges.processes - 1
  return Quantity.things(gauges.items, "key") .. (others < 1 and ""
    or (", open in %d other %s, which keep%s it until closed"):format(others,
      others == 1 and "place" or "places", others == 1 and "s" or ""))
end


--- Closes a store and destroys it. Returns what close does.
---@param store weir.Store
---@return boolean?, weir.Error?
function Destroy.run(store, opts)
  local opened, options = opened_of(store), {}
  for i, name in ipairs(opened.names) do options[name] = opened.values[i] end
  if not opened.target:find "[?&]destroy=" then options.destroy = true end
  if not opened.target:find "[?&]create=" then options.create = false end
  local last = Native.open(opened.target, options)
  local ok, err = bare(store):close(opts)
  last:close(opts)
  return ok, err
end


return Destroy
