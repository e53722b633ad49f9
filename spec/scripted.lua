-- scripted.lua: opens the connector of spec/connectors/scripted.c, whose script,
-- shared memory, a spec changes while workers run it:
--     local store, script = scripted.open()
--     script.hold = true        -- calls wait; script.deaf: whatever is asked of them

local ffi = require "ffi"
local weir = require "weir"

ffi.cdef [[
struct spec_script {
  int answer; bool hold, deaf; uint64_t slow_ns; int refuse_connects;
  bool hang_connect; int deny; bool stale;
  uint32_t calls, connects, disconnects, checks, closes, inside, most_inside, largest;
};
int setenv(const char *name, const char *value, int overwrite);
int unsetenv(const char *name);
]]

local Scripted = { ERROR = 5 }

local kept = {} -- scripts live as long as their stores might run them


function Scripted.open(options)
  local script = ffi.new "struct spec_script"
  kept[#kept + 1] = script
  local address = tonumber(ffi.cast("uintptr_t", ffi.cast("void *", script)))
  local all = { script = ("%x"):format(address) }
  for name, value in pairs(options or {}) do all[name] = value end
  local build = os.getenv "WEIR_BUILD" or "build"
  ffi.C.setenv("WEIR_CONNECTORS", build .. "/spec/connectors", 1)
  local opened, store = pcall(weir.open, "scripted", all)
  ffi.C.unsetenv "WEIR_CONNECTORS"
  return assert(opened and store, store), script
end


--- Waits until a condition holds, at most two seconds.
function Scripted.await(condition)
  local limit = weir.now() + 2
  while not condition() do
    assert(weir.now() < limit, "what was awaited did not happen")
    weir.sleep(0.001)
  end
end


return Scripted
