-- helper.lua: what busted loads before the specs. It keeps the core of weir
-- loaded, since busted forgets modules between files and LuaJIT never forgets a
-- cdef. After each test it collects twice and fails the test that left a batch in
-- flight.

local busted = require "busted"

package.path = "./lua/?.lua;./lua/?/init.lua;./spec/?.lua;" .. package.path

require "weir"
local Flight = require "weir.native.inflight"


busted.after_each(function()
  collectgarbage()
  collectgarbage()
  local left = Flight.count()
  if left > 0 then error(left .. " batches are still in flight after this test", 0) end
end)
