-- policy/shared/lent.lua: copies between values and the caller's buffers. A request
-- that may outlive its caller must not write into the caller's buffers. It reads into
-- memory of its own, and values that came in time are copied (law 7). Used by timeout,
-- coalesce, mirror, warmup, shadow.

local ffi = require "ffi"
local Value = require "weir.core.value"

local Lent = {}


--- A request like this one that uses no buffers of the caller; the request itself if it
--- has none.
function Lent.private(req)
  if not req.buffers then return req end
  local private = req:subset(Lent.all(req.n))
  private.buffers, private.caps = nil, nil
  return private
end


--- The list of all slots: 1, 2, ..., n.
function Lent.all(n)
  local slots = {}
  for i = 1, n do slots[i] = i end
  return slots
end


--- The value of a slot, to keep longer than the reply.
function Lent.keep(req, reply, i)
  if req.buffers then return Value.copy(req.buffers[i], reply:size(i)) end
  return reply:value(i)
end


--- Copies the values of a reply to the buffers of the request, if it has any:
--- a buffer that is too small makes its slot toobig with the true size.
function Lent.land(req, reply)
  local buffers = req.buffers
  if not buffers or not reply.values then return reply end
  for i = 1, req.n do
    local v = reply.values.at[i - 1]
    if v ~= nil then
      local size = tonumber(v.size)
      if size <= req.caps[i] then ffi.copy(buffers[i], v.data, size) end
      local status = size <= req.caps[i] and reply[i] or "toobig"
      reply:drop(i)
      reply:set(i, status, { size = size })
    end
  end
  return reply
end


return Lent
