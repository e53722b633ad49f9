-- spool_crash.lua: a process of spool_crash_spec.lua. It writes through a spool over
-- files whose deletes fail most of the time, and kills itself with SIGKILL at a named
-- step, when that comes for the nth time.
--     weir run spool_crash.lua FOLDER STEP NTH FIRST
package.path = "./spec/?.lua;" .. package.path
local Killed = require "policy.killed"
local Reply = require "weir.core.reply"
local weir = require "weir"

local folder, step = arg[1], arg[2]
local process = Killed.process(folder, step, tonumber(arg[3]), tonumber(arg[4]), 3)


weir.run(function()
  local low = weir.fs { path = folder .. "/low" }
  process:watch(low, { set = "set", delete = "delete" },
    { set = "stored", delete = "deleted" })
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
  process:watch(tree.owner.pending.journal.store, { set = "write" },
    { set = "written" })
  process:work(tree, 2000, tostring)
end)
