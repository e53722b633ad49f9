-- native/charging.lua: what the collector is told of the values of inline stores. A
-- store that answers with its own values (memory) is `shared`: a set puts new memory
-- in, which Lua keeps if it has read the value when the store drops it. A store that
-- answers with copies or with pins (shm) makes a value for each get, and its sets leave
-- nothing to Lua. The gets tell which it is. Used by native.lua and native/single.lua.

local Op = require "weir.core.op"
local Value = require "weir.core.value"
local C = require("weir.ffi").C

local Charging = {}

local SMALL = Value.SMALL


--- Charges values of a get, of which `pointer` is one.
---@param pointer ffi.cdata* struct weir_value *
---@param bytes number of all of them
function Charging.got(store, pointer, bytes)
  if pointer.size <= SMALL then return end
  if C.weir_value_sole(pointer) == 0 then
    store.shared = true
  else
    Value.charge(bytes)
  end
end


--- Charges what the reply to a request leaves to Lua.
function Charging.replied(store, req, reply)
  if store.shared then
    if Op.sends[req.op] then Value.charge(req:copied()) end
  elseif Op.returns[req.op] then
    local pointer = reply:first(SMALL)
    if pointer then Charging.got(store, pointer, reply:bytes()) end
  end
end


--- Charges the values that a get put into some slots of a reply.
---@param slots ffi.cdata* slot numbers, n of them
function Charging.placed(store, reply, slots, n)
  if store.shared then return end
  local first, bytes = nil, 0
  for i = 0, n - 1 do
    local pointer = reply:pointer(slots[i])
    if pointer then
      bytes = bytes + tonumber(pointer.size)
      if not first and pointer.size > SMALL then first = pointer end
    end
  end
  if first then Charging.got(store, first, bytes) end
end


return Charging
