-- scripted.lua: opens the connector of spec/connectors/scripted.c, whose script,
-- shared memory, a spec changes while workers run it. It is never freed: a worker
-- that a failing test left held outlives the Lua state.
--     local store, script = scripted.open()
--     script.hold = true        -- calls wait; script.deaf: whatever is asked of them

local ffi = require "ffi"
local weir = require "weir"

-- The struct as the connector was compiled with it.
local function declare_script()
  local file = assert(io.open "spec/connectors/scripted.h")
  local text = file:read "*a"
  file:close()
  ffi.cdef((text:match("struct script %b{};"):gsub("_Atomic ", "")))
end


declare_script()
ffi.cdef [[
void *calloc(size_t n, size_t size);
int setenv(const char *name, const char *value, int overwrite);
int unsetenv(const char *name);
]]

local Scripted = {}


function Scripted.open(options)
  local memory = ffi.C.calloc(1, ffi.sizeof "struct script")
  local script = ffi.cast("struct script *", memory)
  local address = tonumber(ffi.cast("uintptr_t", script))
  local all = { script = ("%x"):format(address) }
  for name, value in pairs(options or {}) do all[name] = value end
  local build = os.getenv "WEIR_BUILD" or "build"
  ffi.C.setenv("WEIR_CONNECTORS", build .. "/spec/connectors", 1)
  local opened, store = pcall(weir.open, "scripted", all)
  ffi.C.unsetenv "WEIR_CONNECTORS"
  return assert(opened and store, store), script
end


--- Waits until a condition holds, at most half a minute.
function Scripted.await(condition)
  local limit = weir.now() + 30
  while not condition() do
    assert(weir.now() < limit, "what was awaited did not happen")
    weir.sleep(0.001)
  end
end


return Scripted
