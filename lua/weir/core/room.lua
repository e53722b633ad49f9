-- core/room.lua: the arrays of C in which replies keep their values. An array comes
-- from a pool, and goes back when the collector has taken its reply. Used by reply.lua.

local ffi = require "ffi"
local Hold = require "weir.core.hold"
local C = require("weir.ffi").C

local new_table = require "table.new"
local ffi_gc = ffi.gc
local unref = C.weir_values_unref

-- As weir_values_unref takes it: that drops the values that are left when Lua closes.
local Values = ffi.typeof "struct { uint64_t n; struct weir_value *at[?]; }"

-- The pool has arrays of four sizes. A larger reply gets an array of its own.
local spares = { [1] = { n = 0 }, [8] = { n = 0 }, [64] = { n = 0 }, [512] = { n = 0 } }
local SPARE_SLOTS = 65536 -- the most places that the pool keeps in arrays of one size


local function size_of(n)
  if n <= 8 then return n <= 1 and 1 or 8 end
  return n <= 64 and 64 or n <= 512 and 512 or n
end


local function from_pool(n)
  local size = size_of(n)
  local spare = spares[size]
  if spare and spare.n > 0 then
    spare.n = spare.n - 1
    return spare[spare.n + 1]
  end
  return ffi_gc(Values(size), unref)
end


-- The ledger has the array of each reply, which outlives the reply.
local enter = Hold.ledger(function()
  return new_table(Hold.SLOTS - 1, 0)
end, function(rooms, index)
  local values = rooms[index]
  rooms[index] = false
  unref(values)
  local spare = spares[size_of(tonumber(values.n))]
  if spare and spare.n * tonumber(values.n) < SPARE_SLOTS then
    spare.n = spare.n + 1
    spare[spare.n] = values
  end
end)


local Room = {}


--- Makes an array for n values. They are dropped when the collector takes `owner`.
function Room.of(owner, n)
  local values = from_pool(n)
  values.n = n
  local rooms, index = enter(owner)
  rooms[index] = values
  return values
end


--- Makes an array for n values that belongs to nobody.
function Room.lasting(n)
  local values = ffi_gc(Values(n), unref)
  values.n = n
  return values
end


return Room
