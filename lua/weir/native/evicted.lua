-- native/evicted.lua: the values that a store of C drops by itself, for the lack of
-- room. Methods of native.lua; the option demote of tier uses them.

local bit = require "bit"
local ffi = require "ffi"
local Value = require "weir.core.value"
local C = require("weir.ffi").C

local Evicted = {}

local MOST = 64 -- values of one call
local list = ffi.new("struct weir_evicted[?]", MOST)


local NO_ROOM = bit.lshift(1, C.WEIR_EVICTED_CAPACITY)

--- Lets the store keep values that it drops for lack of room, until read_evicted takes
--- them: so many values and bytes at most. 0: it keeps none any more. false: it drops
--- nothing, or does not tell.
---@param items integer
---@param bytes number
---@return boolean
function Evicted:keep_evicted(items, bytes)
  local kinds = items > 0 and NO_ROOM or 0
  return C.weir_evicted_keep(self.handle, kinds, items, bytes) == 0
end


--- Calls fn(key, value, ttl) for each value that was dropped since the last call. fn
--- must not wait.
---@param fn fun(key: string, value: weir.Value, ttl: number?)
function Evicted:read_evicted(fn)
  local n
  repeat
    n = C.weir_evicted_read(self.handle, list, MOST)
    for i = 0, n - 1 do
      local one = list[i]
      local ttl = tonumber(one.ttl_ms)
      fn(ffi.string(one.key, one.key_len), Value.own(one.value),
        ttl > 0 and ttl / 1000 or nil)
    end
  until n < MOST
end


return Evicted
