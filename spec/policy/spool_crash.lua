-- spool_crash.lua: a process of spool_crash_spec.lua. It writes through a spool over
-- files whose deletes fail most of the time, and kills itself with SIGKILL at a named
-- step, when that comes for the nth time.
--     weir run spool_crash.lua FOLDER STEP NTH FIRST
-- FOLDER/log gets a line "b KEY N" before each write, and "a KEY N" when it was
-- acknowledged. Writes are numbered from FIRST; one in three is a deletion.

local Reply = require "weir.core.reply"
local weir = require "weir"
local C = require("weir.ffi").C

local folder, step = arg[1], arg[2]
local nth, number = tonumber(arg[3]), tonumber(arg[4])
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
  local n = number
  local good
  log:write("b ", key, " ", n, "\n")
  if n % 3 == 0 then
    good = tree:delete(key)
  else
    good = tree:set(key, tostring(n))
  end
  if good ~= nil then
    log:write("a ", key, " ", n, "\n")
    reached "acknowledge"
  end
end


weir.run(function()
  local low = weir.fs { path = folder .. "/low" }
  watch(low, { set = "set", delete = "delete" }, { set = "stored", delete = "deleted" })
  local run = low.run
  function low.run(self, req)
    if req.op == "delete" and math.random() < 0.8 then
      weir.sleep(0.001)
      return Reply.uniform(req, "unavailable", "away", self.name)
    end
    return run(self, req)
  end
  local tree = low:spool { path = folder .. "/spool", every = 0.003 }
  assert(tree:set("first", "1"))
  watch(tree.owner.pending.journal.store, { set = "write" }, { set = "written" })
  for task = 1, 4 do
    weir.spawn(function()
      for i = 1, 2000 do write(tree, "k" .. task .. i % 3) end
    end)
  end
  weir.sleep(30)
end)
