-- signals.lua: what a program does when a signal comes (weir.on_signal), and how one
-- ends that is told to by SIGTERM or SIGINT: its tasks are unwound, what they had in
-- flight and the stores end within a bound, on_stop runs. Used by weir.run and the
-- command; other hosts have means of their own for signals.

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

-- Those that end a run. Of others the run only hears.
local ENDING = { INT = true, TERM = true }

-- Seconds that the stores have to finish what is in flight.
local CLOSE = { timeout = 2 }

-- Seconds in which a program that computes must come to its loop.
local PATIENCE = 2

-- By host: what is watched, by the signal's name.
local watched = setmetatable({}, { __mode = "k" })

-- What run raises for a signal.
local Ended = { __tostring = function(self) return "ended by SIG" .. self.signal end }


--- Whether an error says that a signal ended the run: .signal is its name, .number.
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


-- The watches of a host, until it stops. Then the stores are closed if a signal ended
-- it.
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


--- Says what a program does when a signal comes: fn(name) runs as a task. After that
--- INT and TERM end the run, unless fn returns true; a second one ends the process at
--- once. Other signals do no more than to call fn. Takes the place of what was said of
--- this signal before.
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


--- As weir.run outside of a run; INT and TERM end it, and it then raises what
--- Signals.is knows.
function Signals.run(main, ...)
  return require("weir.host.ev").new().run(function(...)
    for name in pairs(ENDING) do watch(Host.current(), name, nothing) end
    return main(...)
  end, ...)
end


--- Ends the process by the signal that ended a run, as if nobody had watched it.
function Signals.die(ended)
  C.weir_fflush(nil)
  C.weir_kill(C.weir_getpid(), ended.number)
end


return Signals
