-- host.lua: the host that is current: what owns this thread and its event loop.
-- Policies and native.lua take time, randomness, sleeping and spawning from here
-- and nowhere else, so that the same code runs under any loop and any clock.
--
-- A host is a table of plain functions:
--   now() -> seconds              random() -> [0, 1)      sleep(seconds)
--   spawn(fn, ...) -> task        runs at once, until it first waits
--   join(task) -> true, results   or false, the error     kill(task)
--   prepare() -> w                park(w, timeout) -> true, or false, why
--   wake(w)                       also before park; false: it vanished while parked
--   timer(seconds, fn) -> handle  handle:cancel()
--   attach(queue) detach(queue)   queue.fd readable: call queue.drain()
--   stop()                        ends what runs; calls queue.close() of the rest
--   can_park() -> true            or nil, why not
--   can_open() -> true            or nil, why not; a host may lack it
--   on_stop(fn)                   run(main, ...) -> results

local Host = {
  -- What unwinds a task that was killed, and what join then returns.
  KILLED = setmetatable({}, { __tostring = function() return "killed" end }),
}

local current


--- The host in use; inside nginx its own, elsewhere the plain waiting one, until
--- another takes over.
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


-- host.now() and so on: of whichever host is current when called.
for _, name in ipairs {
  "now", "random", "sleep", "spawn", "join", "kill", "prepare", "park", "wake",
  "timer", "attach", "detach", "can_park", "on_stop",
} do
  Host[name] = function(...)
    return (current or Host.current())[name](...)
  end
end


--- Parks like park, for code that cannot go on when it is killed: that raises.
--- Returns whether it was woken in time.
function Host.wait(w, timeout)
  local woken, why = Host.park(w, timeout)
  if why == "killed" then error(Host.KILLED, 0) end
  return woken
end


return Host
