-- host/ngx/waits.lua: how a coroutine of nginx waits: on a semaphore, from a pool, if
-- it really has to wait. The coroutine may vanish while it waits (a client hangs up,
-- ngx.exit, ngx.thread.kill), without unwinding. So a semaphore goes back to the pool
-- only from a coroutine that came back.

local semaphore = require "ngx.semaphore"

local get_phase = ngx.get_phase

local Waits = {}

local SPARE = 1024
local pool, n_spare = {}, 0

-- nginx counts milliseconds in an int.
local LONGEST = 2147483

-- The phases in which nginx lets Lua wait.
local WAITING = {
  rewrite = true, server_rewrite = true, access = true, content = true, timer = true,
  preread = true, ssl_cert = true, ssl_session_fetch = true, ssl_client_hello = true,
}


--- Whether this code can wait; nil and why not.
function Waits.can_park()
  local phase = get_phase()
  if WAITING[phase] then return true end
  return nil, phase .. "_by_lua cannot wait; only stores in memory answer here"
end


local function get_semaphore()
  if n_spare == 0 then return assert(semaphore.new(0)) end
  local sem = pool[n_spare]
  n_spare = n_spare - 1
  return sem
end


local function give_back(sem)
  if n_spare == SPARE then return end
  n_spare = n_spare + 1
  pool[n_spare] = sem
end


--- Makes a wait object, for one park.
function Waits.prepare()
  return { woken = false }
end


-- Half a millisecond is added, since nginx truncates the product.
local function milliseconds(left)
  return (math.ceil(math.min(left, LONGEST) * 1000) + 0.5) / 1000
end


-- Waits for a post. A post that comes together with the timeout counts.
local function await(sem, timeout)
  local left = timeout or math.huge
  while left > 0 do
    local posted, why = sem:wait(milliseconds(left))
    if posted then return true end
    if why ~= "timeout" then error("weir: " .. why, 0) end
    left = left - LONGEST
  end
  return sem:count() > 0 and sem:wait(0)
end


--- Waits until w is woken: true; or for `timeout` seconds: false.
function Waits.park(w, timeout)
  if not w.woken then
    local sem = get_semaphore()
    w.sem = sem
    local posted = await(sem, timeout)
    w.sem, w.posted = nil, nil
    give_back(sem)
    if not posted then return false end
  end
  w.woken = false
  return true
end


--- Wakes the coroutine that waits on w, or will. false: it has vanished while it
--- waited.
function Waits.wake(w)
  local sem = w.sem
  if not sem then
    w.woken = true
    return true
  end
  if w.posted then return true end
  local awaited = sem:count() < 0
  w.posted = true
  sem:post()
  return awaited
end


return Waits
