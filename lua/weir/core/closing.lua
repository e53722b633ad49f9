-- core/closing.lua: closes several stores at the same time, so that they share one
-- timeout instead of waiting for each other. Used by stores over stores, by reload and
-- at the end of a program.

local Closing = {}


--- Begins to close stores; opts as for a store's close. Returns a function that waits
--- until all are closed, and returns the first error.
---@param stores weir.Store[]
---@param opts { timeout: number?, drop: boolean? }?
---@return fun(): boolean?, weir.Error?
function Closing.begin(stores, opts)
  local waits, known = {}, {}
  for _, store in ipairs(stores) do
    if not known[store] then waits[#waits + 1] = store:begin_close(opts) end
    known[store] = true
  end
  return function()
    local err
    for _, wait in ipairs(waits) do
      local good, why = wait()
      if not good then err = err or why end
    end
    if err then return nil, err end
    return true
  end
end


--- Closes stores.
---@return boolean? closed, weir.Error? err
function Closing.all(stores, opts)
  return Closing.begin(stores, opts)()
end


return Closing
