-- host.lua: the current host, which owns this thread and its event loop. All other code
-- takes time, chance, sleeping and tasks from here and nowhere else, so that it runs
-- under any loop and any clock.
--
-- A host is a table of plain functions:
--   now() -> seconds              random() -> [0, 1)      sleep(seconds)
--   spawn(fn, ...) -> task        runs at once, until it first waits
--   join(task) -> true, results   or false, the error     kill(task)
--   prepare() -> w                park(w, timeout) -> true, or false, why
--   wake(w)                       also before park; false: it vanished while parked
--   timer(seconds, fn) -> handle  handle:cancel()
--   attach(queue) detach(queue)   when queue.fd is readable: calls queue.drain()
--   stop()                        ends the tasks; calls queue.close() of each queue
--   can_park() -> true            or nil, why not
--   can_open() -> true            or nil, why not; a host may lack it
--   on_stop(fn)                   run(main, ...) -> results
--   warn(sentence)                says something to who runs the program; a host may
--                                 lack it: then standard error gets it

local Host = {
  -- The error that unwinds a killed task. join returns it, too.
  KILLED = setmetatable({}, { __tostring = function() return "killed" end }),
}

local current


--- The current host. Inside nginx its own, elsewhere the plain one, until Host.use sets
--- another.
function Host.current()
  if not current then
    local nginx = rawget(_G, "ngx")
    current = require(nginx and nginx.get_phase and "weir.host.ngx"
      or "weir.host.plain").new()
  end
  return current
end


--- Makes a host the current one; returns the one before, or nil.
function Host.use(host)
  local before = current
  current = host
  return before
end


local resting = {}


--- Calls fn(host) when a host begins to rest: it reads no events and runs no tasks
--- until the run of another one has ended.
---@param fn fun(host: table)
function Host.on_rest(fn)
  resting[#resting + 1] = fn
end


--- Like use, for a host whose run begins: the one before rests meanwhile.
function Host.begin_run(host)
  if current and current ~= host then
    for _, fn in ipairs(resting) do fn(current) end
  end
  return Host.use(host)
end


-- Host.now() and so on: the functions of the host that is current when they are called.
for _, name in ipairs {
  "random", "sleep", "spawn", "join", "kill", "prepare", "park", "wake",
  "timer", "attach", "detach", "can_park", "on_stop",
} do
  Host[name] = function(...)
    return (current or Host.current())[name](...)
  end
end


--- The time of the current host in seconds. Every word asks it twice a request. It is
--- no tail call: a trace with more than 15 of them is given up, so a stack of six words
--- would run interpreted.
function Host.now()
  local seconds = (current or Host.current()).now()
  return seconds
end


--- Says something to who runs the program, such as what a store cannot do.
function Host.warn(sentence)
  local warn = Host.current().warn
  if warn then return warn(sentence) end
  io.stderr:write("weir: " .. sentence .. "\n")
end


--- Parks like park, for code that cannot go on when it is killed: that raises an error.
--- Returns whether it was woken in time.
function Host.wait(w, timeout)
  local woken, why = Host.park(w, timeout)
  if why == "killed" then error(Host.KILLED, 0) end
  return woken
end


return Host
