-- core/method.lua: notices a verb that was called with a dot: s.get("a") passes the key
-- in the place of the store. Used by store.lua, many.lua and native.lua.

--- Raises an error that says how to call the method `name`, unless `self` is a store.
--- The error points `level` frames up.
---@param self any
---@param name string
---@param level integer 1: the caller
return function(self, name, level)
  if type(self) == "table" and self.run then return end
  error(("%s is a method: call it with a colon, s:%s(...), not s.%s(...)")
    :format(name, name, name), level + 1)
end
