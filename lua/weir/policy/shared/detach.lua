-- policy/shared/detach.lua: work that must come to its end although whoever asked for
-- it may be killed, or leave at a deadline, while it waits: a client that hangs up in
-- nginx takes its coroutine along without unwinding it. Used by tier (a write half
-- done), coalesce (a leader), limit (a permit), timeout (a store that hangs).

local host = require "weir.host"

local Detach = {}

-- How long after the deadline a result still counts, in seconds: a C store takes up
-- to 20 ms to say which slots were answered and which came too late.
local GRACE = 0.03


--- How long to wait for what should end by a deadline, or nil: as long as it takes.
function Detach.patience(deadline)
  return deadline and math.max(deadline - host.now(), 0) + GRACE or nil
end


local function body(flight, fn, ...)
  local ok, result = pcall(fn, ...)
  flight.done, flight.ok, flight.result = true, ok, result
  if flight.waiter then host.wake(flight.waiter) end
end


--- Calls fn(...) in a task of its own and waits for its result, at most until a
--- moment after the deadline: nil then, and the task goes on.
function Detach.call(deadline, fn, ...)
  local flight = { done = false }
  host.spawn(body, flight, fn, ...)
  if not flight.done then
    flight.waiter = host.prepare()
    host.wait(flight.waiter, Detach.patience(deadline))
    flight.waiter = nil
    if not flight.done then return nil end
  end
  if not flight.ok then error(flight.result, 0) end
  return flight.result
end


return Detach
