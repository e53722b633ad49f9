-- closing.lua: closes several stores at the same time, so that they share one
-- time-out instead of waiting for each other's. Used by stores over stores, by
-- reload and at the end of a program.

local Closing = {}


--- Closes stores; opts as a store's close takes them. The first error is returned.
---@param stores weir.Store[]
---@param opts { timeout: number?, drop: boolean? }?
---@return boolean? closed, weir.Error? err
function Closing.all(stores, opts)
  local waits, closed, err = {}, true, nil
  for _, store in ipairs(stores) do
    waits[store] = waits[store] or store.begin_close and store:begin_close(opts)
  end
  for _, store in ipairs(stores) do
    local wait = waits[store] or store.close
    local good, why = wait(store, opts)
    if not good then closed, err = good, err or why end
  end
  return closed, err
end


return Closing
