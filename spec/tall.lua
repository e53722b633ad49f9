-- tall.lua: gets of one key through ten words, and how often LuaJIT gave up compiling
-- in host.lua because a trace had too many tail calls. Run by hot_spec.lua, in its own
-- process.
local util = require "jit.util"
local vmdef = require "jit.vmdef"
local weir = require "weir"

local given_up = 0

jit.attach(function(what, _, func, pc, reason)
  if what ~= "abort" or type(reason) ~= "number" then return end
  local place = util.funcinfo(func, pc).source or ""
  if vmdef.traceerr[reason]:find "^loop unroll" and place:find "weir/host.lua$" then
    given_up = given_up + 1
  end
end, "trace")

weir.run(function()
  local store = weir.memory { capacity = "1MiB" }
  for _ = 1, 10 do store = store:meter "m" end
  assert(store:set("key", "value"))
  for _ = 1, 20000 do assert(store:get "key") end
end)
print(given_up)
