-- host/random.lua: a xorshift generator for each host, so that hosts neither share nor
-- change the state of math.random.

local bit = require "bit"
local C = require("weir.ffi").C

local bor, bxor, lshift, rshift = bit.bor, bit.bxor, bit.lshift, bit.rshift

local Random = {}


--- A function that returns numbers in [0, 1), seeded by the clock and the process.
function Random.new()
  local x = bor(bxor(tonumber(C.weir_now() % 2 ^ 31), C.weir_getpid() * 65599), 1)
  return function()
    x = bxor(x, lshift(x, 13))
    x = bxor(x, rshift(x, 17))
    x = bxor(x, lshift(x, 5))
    return x % 2 ^ 32 / 2 ^ 32
  end
end


return Random
