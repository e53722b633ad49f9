-- lease_worker.lua: a process of lease_spec.lua. Many tasks of it fetch one key.
--     weir run lease_worker.lua FOLDER CALLERS HOW NUMBER
-- FOLDER/loads gets a line for each call of the loader, FOLDER/got one for each caller.
-- HOW: "value", "absent"; or "die", "fail" for the first call of all.

local ffi = require "ffi"
local weir = require "weir"
local C = require("weir.ffi").C

ffi.cdef "int mkdir(const char *, unsigned);"

local folder, callers, how, number = arg[1], tonumber(arg[2]), arg[3], arg[4]

local function note(name, line)
  local file = assert(io.open(folder .. "/" .. name, "a"))
  file:write(line, "\n")
  file:close()
end


local function loader()
  note("loads", number)
  weir.sleep(0.3)
  if ffi.C.mkdir(folder .. "/first", 448) == 0 then
    if how == "die" then C.weir_kill(C.weir_getpid(), 9) end
    if how == "fail" then return nil, "no luck" end
  end
  if how == "absent" then return nil end
  return "loaded by " .. number
end


weir.run(function()
  local tree = weir.tier { weir.shm { path = folder .. "/shm" },
    weir.fs { path = folder .. "/far" } }
  note("ready", number)
  while not io.open(folder .. "/go") do weir.sleep(0.01) end
  local tasks = {}
  for i = 1, callers do
    tasks[i] = weir.spawn(function()
      local value, err = tree:fetch("k", loader, { timeout = 20, neg_ttl = 30 })
      note("got", err and "error" or value and value:string() or "nothing")
    end)
  end
  for i = 1, callers do weir.join(tasks[i]) end
end)
