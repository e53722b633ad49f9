-- native/held.lua: what a memory holds and has answered, read without making tables:
-- the words quota and pin read it of many stores at once. The numbers are those of
-- stats().

local ffi = require "ffi"
local Op = require "weir.core.op"
local status = require "weir.core.status"
local C = require("weir.ffi").C

local MOST = 16
local gauges = ffi.new("struct weir_gauge[?]", MOST)
local counts = ffi.new "struct weir_op_stats"
local GET, OK, MISS = Op.number.get, status.number.ok, status.number.miss

local Held = {}

-- Where each number is among the gauges of a memory.
local places


local function find_places(n)
  places = {}
  for i = 0, n - 1 do places[ffi.string(gauges[i].name)] = i end
end


local function gauge(name)
  local at = places[name]
  return at and tonumber(gauges[at].value) or 0
end


--- The bytes and entries of a memory, and how many entries it evicted. Zeros if it is
--- closed, or none of C.
---@param store weir.Store
---@return number bytes, number entries, number evictions
function Held.now(store)
  if type(store.handle) ~= "cdata" then return 0, 0, 0 end
  local n = math.min(tonumber(C.weir_store_gauges(store.handle, gauges, MOST)), MOST)
  if n == 0 then return 0, 0, 0 end
  if not places then find_places(n) end
  return gauge "bytes", gauge "items", gauge "evictions"
end


--- How many gets of a memory found a value, and how many did not.
---@param store weir.Store
---@return number hits, number misses
function Held.answers(store)
  if type(store.handle) ~= "cdata" then return 0, 0 end
  C.weir_store_op_stats(store.handle, GET, counts)
  return tonumber(counts.status[OK]), tonumber(counts.status[MISS])
end


return Held
