-- language/bounded.lua: runs the chunk of a policy file for a bounded time, and notes
-- its line. A policy file is code. One that never ends must not stop its process for
-- good, such as nginx's master. Used by load.lua.
--
-- A hook counts instructions. It is not called from compiled code, so the compiler is
-- off meanwhile. The bound is on the time spent in Lua: the time to open a store does
-- not count, and neither does the time that a chunk waits in a task.

local Blame = require "weir.core.blame"
local C = require("weir.ffi").C

local STEP = 10000      -- instructions between two readings of the clock
local MOST_STEP = 0.25  -- the most seconds that one step counts for
local LINES = 100000    -- lines that are noted, to bound the cost for long computations


local function now()
  return tonumber(C.weir_now()) * 1e-9
end


local function too_long(info, seconds)
  error(("%s:%d: loading did not end within %g s: a policy file builds its stores and "
    .. "returns"):format(info.short_src, info.currentline, seconds), 0)
end


-- Notes the line that runs, if it is not weir's own.
local function note(line)
  local info = debug.getinfo(3, "S")
  if not Blame.is_ours(info) then
    Blame.note_line { source = info.short_src, line = line }
  end
end


-- Makes the hook. `spent` grows by each step. Another task that runs while the chunk
-- waits adds nothing and is not stopped. run.over: the chunk has ended, and another
-- chunk that waited meanwhile has installed this hook again.
local function watcher(seconds, run)
  local task, spent, last, lines = coroutine.running(), 0, now(), 0
  local hook

  local function waits()
    return task and coroutine.status(task) == "suspended"
  end

  local function step()
    local time = now()
    spent = spent + (waits() and 0 or math.min(time - last, MOST_STEP))
    last = time
    return spent >= seconds and not waits()
  end

  function hook(event, line)
    if run.over then
      debug.sethook()
    elseif event == "line" then
      lines = lines + 1
      if lines <= LINES then return not waits() and note(line) end
      Blame.note_line(nil)
      debug.sethook(hook, "", STEP)
    elseif step() then
      -- Code that catches the error (pcall in a loop) gets it again at the next
      -- instruction. Weir's own code is not interrupted.
      debug.sethook(hook, "", 1)
      local info = debug.getinfo(2, "Sl")
      if not Blame.is_ours(info) then too_long(info, seconds) end
    end
  end
  return hook
end


--- Like pcall(chunk), for `seconds` at most. The third result is the place of the last
--- line that ran, "file:line", or nil.
---@param chunk function
---@param seconds number
---@return boolean ok, any result, string? place
return function(chunk, seconds)
  local hook, mask, count = debug.gethook()
  local compiles, outer = jit.status(), Blame.note_line(nil)
  jit.off()
  local run = { over = false }
  debug.sethook(watcher(seconds, run), "l", STEP)
  local ok, result = pcall(chunk)
  run.over = true
  debug.sethook(hook, mask, count)
  local at = Blame.note_line(outer)
  if compiles then jit.on() end
  return ok, result, at and ("%s:%d"):format(at.source, at.line)
end
