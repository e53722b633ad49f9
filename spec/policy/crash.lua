-- crash.lua: a process of crash_spec.lua. It writes through a write-back with a journal
-- and kills itself with SIGKILL at a named step, when that comes for the nth time.
--     weir run crash.lua FOLDER SYNC STEP NTH FIRST
package.path = "./spec/?.lua;" .. package.path
local Killed = require "policy.killed"
local weir = require "weir"

local folder, sync, step = arg[1], arg[2], arg[3]
local process = Killed.process(folder, step, tonumber(arg[4]), tonumber(arg[5]), 5)


weir.run(function()
  local low = weir.fs { path = folder .. "/low" }
  local tree = weir.tier { weir.memory { capacity = "1MiB" }, low,
    write = weir.back { after = 0.002, max_dirty = "300KB", sync = sync,
      journal = folder .. "/journal" } }
  process:watch(low, { set = "flush", delete = "flush" },
    { set = "flushed", delete = "flushed" })
  assert(tree:set("first", "1"))
  -- A removal of the journal's file is its truncation.
  process:watch(tree.back.journal.store, { set = "write", delete = "truncate" },
    { set = "sync", delete = "truncated" })
  if step == "any" then
    weir.spawn(function()
      weir.sleep(math.random() * 0.05)
      process:die()
    end)
  end
  process:work(tree, 400, function(n)
    return n .. ":" .. ("x"):rep(math.random(40000))
  end)
end)
