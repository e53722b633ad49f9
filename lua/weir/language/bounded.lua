-- language/bounded.lua: runs a chunk for a bounded time, and knows its line. A policy
-- file is code: one that never ends must not stop whoever loads it, as nginx's master,
-- for good. Used by load.lua.
--
-- A hook counts instructions. It does not see those of compiled code, so the compiler
-- is off meanwhile. What is counted is the time spent in Lua: a store that takes long
-- to open costs nothing, and neither does a chunk that waits in a task.

local Blame = require "weir.core.blame"
local C = require("weir.ffi").C

local STEP = 10000      -- instructions between two looks at the clock
local MOST_STEP = 0.25  -- seconds that one such step counts for at most
local LINES = 100000    -- lines that are noted; a file that computes pays no more


local function now()
  return tonumber(C.weir_now()) * 1e-9
end


local function too_long(info, seconds)
  error(("%s:%d: loading did not end within %g s: a policy file builds its stores and "
    .. "returns"):format(info.short_src, info.currentline, seconds), 0)
end


-- Notes the line that runs, if its file is not weir's.
local function note(line)
  local info = debug.getinfo(3, "S")
  if not Blame.is_ours(info.source) then
    Blame.note_line { source = info.short_src, line = line }
  end
end


-- The hook: spent grows by each step. Another task that runs while the chunk waits
-- pays nothing and is not stopped. run.over: the chunk has ended, and another, which
-- waited meanwhile, has put the hook back.
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
      -- Whoever catches this (pcall in a loop) meets it again at once. Weir's own code
      -- is not stopped half-way.
      debug.sethook(hook, "", 1)
      local info = debug.getinfo(2, "Sl")
      if not Blame.is_ours(info.source) then too_long(info, seconds) end
    end
  end
  return hook
end


--- pcall(chunk), for `seconds` at most. The third result is the place of the line that
--- ran last, "file:line", or nil.
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
