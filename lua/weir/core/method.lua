-- core/method.lua: notices a verb that was called with a dot: s.get("a") hands over the
-- key where the store should be. Used by store.lua, many.lua and native.lua.

--- Returns when `self` is a store, else says how to call its method `name`; errors
--- point `level` frames up.
---@param self any
---@param name string
---@param level integer 1: the caller
return function(self, name, level)
  if type(self) == "table" and self.run then return end
  error(("%s is a method: call it with a colon, s:%s(...), not s.%s(...)")
    :format(name, name, name), level + 1)
end
