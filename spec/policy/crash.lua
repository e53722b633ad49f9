-- crash.lua: a process of crash_spec.lua. It writes through a write-back with a journal
-- and kills itself with SIGKILL at a named step, when that comes for the nth time.
--     weir run crash.lua FOLDER SYNC STEP NTH FIRST
-- FOLDER/log gets a line "b KEY N" before each write, and "a KEY N" when it was
-- acknowledged. Writes are numbered from FIRST; one in five is a deletion.

local weir = require "weir"
local C = require("weir.ffi").C

local folder, sync, step = arg[1], arg[2], arg[3]
local nth, number = tonumber(arg[4]), tonumber(arg[5])
math.randomseed(number)

local log = assert(io.open(folder .. "/log", "a"))
log:setvbuf "no"


local function reached(name)
  if name ~= step then return end
  nth = nth - 1
  if nth <= 0 then C.weir_kill(C.weir_getpid(), 9) end
end


-- Calls at(step) around run of a store.
local function watch(store, before, after)
  local run = store.run
  function store.run(self, req)
    reached(before[req.op])
    local reply = run(self, req)
    reached(after[req.op])
    return reply
  end
end


local function write(tree, key)
  number = number + 1
  local n, good = number
  log:write("b ", key, " ", n, "\n")
  if n % 5 == 0 then
    good = tree:delete(key)
  else
    good = tree:set(key, n .. ":" .. ("x"):rep(math.random(40000)))
  end
  if good ~= nil then
    log:write("a ", key, " ", n, "\n")
    reached "acknowledge"
  end
end


weir.run(function()
  local low = weir.fs { path = folder .. "/low" }
  local tree = weir.tier { weir.memory { capacity = "1MiB" }, low,
    write = weir.back { after = 0.002, max_dirty = "300KB", sync = sync,
      journal = folder .. "/journal" } }
  watch(low, { set = "flush", delete = "flush" },
    { set = "flushed", delete = "flushed" })
  assert(tree:set("first", "1"))
  -- A removal of the journal's file is its truncation.
  watch(tree.back.journal.store, { set = "write", delete = "truncate" },
    { set = "sync", delete = "truncated" })
  if step == "any" then
    weir.spawn(function()
      weir.sleep(math.random() * 0.05)
      C.weir_kill(C.weir_getpid(), 9)
    end)
  end
  for task = 1, 4 do
    weir.spawn(function()
      for i = 1, 400 do write(tree, "k" .. task .. i % 3) end
    end)
  end
  weir.sleep(30)
end)
