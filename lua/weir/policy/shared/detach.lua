-- policy/shared/detach.lua: runs work in a task of its own, so that it comes to its end
-- although the caller is killed, or leaves at a deadline, while it waits. In nginx a
-- client that hangs up ends its coroutine without unwinding it. Used by tier (a write),
-- coalesce (a leader), limit (a permit), timeout (a store that hangs).

local host = require "weir.host"

local Detach = {}

-- Seconds after the deadline in which a result still counts. A C store takes up to 20
-- ms to say which slots were answered and which were late.
local GRACE = 0.03


--- The seconds to wait for work that should end by a deadline; nil: without limit.
function Detach.patience(deadline)
  return deadline and math.max(deadline - host.now(), 0) + GRACE or nil
end


local function body(call, fn, ...)
  local ok, result = pcall(fn, ...)
  call.done, call.ok, call.result = true, ok, result
  if call.waiter then host.wake(call.waiter) end
end


--- Calls fn(...) in a task of its own and returns its result. nil: it did not end until
--- shortly after the deadline, and the task goes on.
function Detach.call(deadline, fn, ...)
  local call = { done = false }
  host.spawn(body, call, fn, ...)
  if not call.done then
    call.waiter = host.prepare()
    host.wait(call.waiter, Detach.patience(deadline))
    call.waiter = nil
    if not call.done then return nil end
  end
  if not call.ok then error(call.result, 0) end
  return call.result
end


return Detach
