-- signals.lua: what a program does at a signal (weir.on_signal), and how SIGTERM and
-- SIGINT end it: its tasks are unwound, its batches in flight and its stores end within
-- a bound, and on_stop runs. Used by weir.run and the command. Other hosts have their
-- own means for signals.

local Closing = require "weir.core.closing"
local Ffi = require "weir.ffi"
local Host = require "weir.host"
local Roster = require "weir.native.roster"

local C = Ffi.C

local Signals = {}

local NUMBERS = {
  HUP = 1, INT = 2, QUIT = 3, USR1 = 10, USR2 = 12, TERM = 15, CONT = 18, WINCH = 28,
}
local NAMES = { "HUP", "INT", "QUIT", "USR1", "USR2", "TERM", "CONT", "WINCH" }

-- The signals that end a run. At others it only calls the function.
local ENDING = { INT = true, TERM = true }

-- The time that the stores have to finish batches in flight, in seconds.
local CLOSE = { timeout = 2 }

-- Seconds in which a busy program must come back to its event loop.
local PATIENCE = 2

-- The watches of each host, by the signal's name.
local watched = setmetatable({}, { __mode = "k" })

-- The class of the error that run raises for a signal.
local Ended = { __tostring = function(self) return "ended by SIG" .. self.signal end }


--- Whether an error says that a signal ended the run. Then .signal is its name and
--- .number its number.
function Signals.is(err)
  return getmetatable(err) == Ended
end


-- Runs as a task.
local function act(host, watch)
  local good, stays = pcall(watch.fn, watch.name)
  if not ENDING[watch.name] then
    if not good then error(stays, 0) end
  elseif good and stays == true then
    watch.handle.ends(PATIENCE)
  else
    watch.all.ended = true
    local ended = { signal = watch.name, number = NUMBERS[watch.name] }
    host.quit(good and setmetatable(ended, Ended) or stays)
  end
end


-- The watches of a host, until it stops. When a signal ended the host, the stores are
-- closed then.
local function watches_of(host)
  local watches = watched[host]
  if watches then return watches end
  watches = {}
  watched[host] = watches
  host.on_stop(function()
    if watches.ended then Closing.all(Roster.all(), CLOSE) end
    watched[host] = nil
  end)
  return watches
end


local function watch(host, name, fn)
  local watches = watches_of(host)
  local known = watches[name]
  if known then
    known.fn = fn
    return
  end
  known = { name = name, fn = fn, all = watches }
  known.handle = host.signal(NUMBERS[name], function() host.spawn(act, host, known) end)
  if ENDING[name] then known.handle.ends(PATIENCE) end
  watches[name] = known
end


local function check_name(name)
  if type(name) ~= "string" then
    error("weir.on_signal takes a signal's name, such as \"TERM\"", 3)
  end
  local short = name:upper():gsub("^SIG", "")
  if NUMBERS[short] then return short end
  error(("weir.on_signal: no signal is called %q%s; there are %s"):format(name,
    Ffi.suggest(short, NAMES), table.concat(NAMES, " ")), 3)
end


--- Sets what the program does at a signal: fn(name) runs as a task. After that INT and
--- TERM end the run, unless fn returns true. A second INT or TERM ends the process at
--- once. At other signals only fn is called. Replaces an earlier function for the
--- signal.
---@param name string HUP, INT, QUIT, USR1, USR2, TERM, CONT or WINCH
---@param fn fun(name: string): boolean?
function Signals.on(name, fn)
  local short = check_name(name)
  if type(fn) ~= "function" then error("weir.on_signal takes a function", 2) end
  local host = Host.current()
  if not host.signal then
    error(("weir.on_signal works inside weir.run; the %s host has no signals"):format(
      host.name), 2)
  end
  watch(host, short, fn)
end


local function nothing() end


--- Like weir.run outside of a run. INT and TERM end it, and it then raises an error for
--- Signals.is.
function Signals.run(main, ...)
  return require("weir.host.ev").new().run(function(...)
    for name in pairs(ENDING) do watch(Host.current(), name, nothing) end
    return main(...)
  end, ...)
end


--- Ends the process by the signal that ended a run, as if no function had watched it.
function Signals.die(ended)
  C.weir_fflush(nil)
  C.weir_kill(C.weir_getpid(), ended.number)
end


return Signals
