-- app/explore/failures.lua: the keys that a walk could not read or write: the first few
-- are told, all are counted.
local Bytes = require "weir.app.show.bytes"
local Exit = require "weir.app.exit"
local Literal = require "weir.app.show.literal"
local Quantity = require "weir.core.quantity"

---@class weir.Failures
---@field n integer
local Failures = {}
Failures.__index = Failures

local TOLD = 5


---@param view weir.View
---@return weir.Failures
function Failures.new(view)
  return setmetatable({ view = view, n = 0 }, Failures)
end


--- Counts a key and tells why.
---@param key string
---@param err weir.Error
function Failures:add(key, err)
  self.n = self.n + 1
  self.view:object(Bytes.put({ error = tostring(err) }, "key", key))
  if self.n <= TOLD then
    self.view:note("%s: %s", Literal.quote(key), tostring(err))
  end
end


--- Counts a key that cannot be read because it has another type or is damaged. An error
--- that may go away by itself is not the key's fault: it is raised.
---@param key string
---@param err weir.Error
function Failures:unreadable(key, err)
  if err.retryable then error(err, 0) end
  self:add(key, err)
end


--- Says how many could not be read. Returns the exit code.
---@return integer
function Failures:close()
  if self.n == 0 then return Exit.OK end
  self.view:note("%s could not be read", Quantity.things(self.n, "key"))
  return Exit.ERROR
end


return Failures
