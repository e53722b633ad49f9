-- core/made.lua: tells listeners of each store that is made. Used by
-- `weir run --stats`, which shows the statistics of all stores of a program.

local Made = {}

local listeners = {}


--- Calls fn(store) for each store that is made from now on. Returns a function that
--- ends this.
---@param fn fun(store: weir.Store)
---@return fun()
function Made.listen(fn)
  listeners[#listeners + 1] = fn
  return function()
    for i = #listeners, 1, -1 do
      if listeners[i] == fn then table.remove(listeners, i) end
    end
  end
end


--- Tells the listeners of a new store.
---@param store weir.Store
function Made.announce(store)
  for i = 1, #listeners do listeners[i](store) end
end


return Made
