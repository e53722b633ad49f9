-- native/evicted.lua: the values that a store of C drops by itself, for the lack of
-- room. Methods of native.lua; the option demote of tier and replays use them.

local bit = require "bit"
local ffi = require "ffi"
local Counters = require "weir.observe.counters"
local Value = require "weir.core.value"
local C = require("weir.ffi").C

local Evicted = {}

local MOST = 64 -- values of one call
local list = ffi.new("struct weir_evicted[?]", MOST)
local ages = ffi.new "struct weir_evicted_ages"


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


-- Takes the next values out of the queue as keys, values and times. Nothing else of Lua
-- runs before all of them belong to Lua: fn may raise an error, and may call another
-- store, which uses the same list.
local function take(self)
  local n = C.weir_evicted_read(self.handle, list, MOST)
  if n <= 0 then return n end
  local keys, values, ttls = {}, {}, {}
  for i = 1, n do
    local one = list[i - 1]
    local ttl = tonumber(one.ttl_ms)
    keys[i], values[i] = ffi.string(one.key, one.key_len), Value.own(one.value)
    ttls[i] = ttl > 0 and ttl / 1000 or nil
  end
  return n, keys, values, ttls
end


--- Calls fn(key, value, ttl) for each value that was dropped since the last call. fn
--- must not wait. After an error of fn values are left out, and dropped by and by.
---@param fn fun(key: string, value: weir.Value, ttl: number?)
function Evicted:read_evicted(fn)
  repeat
    local n, keys, values, ttls = take(self)
    for i = 1, n do fn(keys[i], values[i], ttls[i]) end
  until n < MOST
end


--- What was dropped since the last call, of the values that were set after the first
--- one: how many (count), their bytes, how many of them were never read (unused), and
--- in seconds as Counters.latency has them how long ago they were set (age) and last
--- read or else set (idle). nil: the values of this store have bytes.
---@return table?
function Evicted:evicted_ages()
  if C.weir_evicted_ages(self.handle, ages) ~= 0 then return nil end
  return { count = tonumber(ages.age.count), bytes = tonumber(ages.bytes),
    unused = tonumber(ages.unread), age = Counters.latency(ages.age),
    idle = Counters.latency(ages.idle) }
end


return Evicted
