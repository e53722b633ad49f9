-- host/ngx.lua: the host inside nginx with lua-nginx-module (OpenResty), one for each
-- worker. It becomes the current host by itself when weir is used there.
--
-- A task waits on a semaphore (ngx/waits.lua). Completions come through a socket that
-- nginx watches (ngx/bell.lua). Tasks belong to the worker, so a client that hangs up
-- ends none of them (ngx/worker_tasks.lua). Three of nginx's timers run: one for the
-- bell, one for the tasks, and one that fires when the worker leaves, without which the
-- worker would not end. They count in lua_max_running_timers.
--
-- Coroutines that the user makes (coroutine.create) must not wait for a store here, as
-- they must not call ngx.sleep: lua-nginx-module crashes when the client of one that
-- waits hangs up. Use weir.spawn.

local Bell = require "weir.host.ngx.bell"
local Ffi = require "weir.ffi"
local Random = require "weir.host.random"
local Tasks = require "weir.host.ngx.worker_tasks"
local Waits = require "weir.host.ngx.waits"

local C = Ffi.C

local Ngx = {}

-- The time of a timer that fires only when the worker leaves, and then at once.
local YEAR = 31536000

-- Makes the first timer of this worker. With it, lua-nginx-module takes a connection by
-- which nginx tells it that the worker leaves, and frees it only then. If the first
-- timer was that of a request in a worker that leaves already, nginx would log an
-- alert: "open socket #-2 left in connection".
local function make_first_timer()
  if not ngx.worker.exiting() then ngx.timer.at(0, function() end) end
end


-- The shortest sleep in seconds. nginx counts milliseconds, and a sleep of 0 would not
-- let others run.
local TICK = 0.001


local function now()
  return tonumber(C.weir_now()) * 1e-9
end


--- Makes a host. folder: the directory of the bell's socket while it connects; by
--- default /dev/shm, else /tmp, else a port of the loopback.
---@param opts { folder: string? }?
function Ngx.new(opts)
  local host = { name = "ngx", now = now }
  local bells, stops, watched = {}, {}, false
  local folder = opts and opts.folder
  local random, ready

  local function leave()
    for i = #stops, 1, -1 do
      local good, why = pcall(stops[i])
      if not good then ngx.log(ngx.ERR, "weir: while leaving: ", why) end
      stops[i] = nil
    end
    for _, bell in pairs(bells) do bell:ring() end
    Tasks.leave()
  end

  local function watch_leaving()
    if watched or ngx.worker.exiting() then return end
    watched = ngx.timer.at(YEAR, leave)
  end

  function host.can_open()
    if ngx.get_phase() == "init" then
      return nil, "init_by_lua runs in the master, and a worker has none of its "
        .. "threads: open stores in init_worker_by_lua or later"
    end
    if not ready then make_first_timer() end
    ready = true
    return true
  end

  function host.can_park()
    local able, why = Waits.can_park()
    if not able then return nil, why end
    for _, bell in pairs(bells) do
      able, why = bell:start()
      if not able then return nil, why end
    end
    return true
  end

  function host.attach(queue)
    local bell = Bell.new(queue, folder)
    bells[queue] = bell
    if not bell.fleeting then watch_leaving() end
    return bell:start()
  end

  Tasks.look_out(function()
    local found = false
    for queue, bell in pairs(bells) do
      if not bell.bell and queue.pending() > 0 then found = bell:start() or true end
    end
    return found
  end)

  function host.detach(queue)
    local bell = bells[queue]
    bells[queue] = nil
    if bell then bell:stop() end
  end

  function host.on_stop(fn)
    stops[#stops + 1] = fn
    watch_leaving()
  end

  -- Seeded at its first use, which comes after the fork. Otherwise all workers would
  -- draw the same numbers.
  function host.random()
    if not random then random = Random.new() end
    return random()
  end

  function host.warn(sentence)
    ngx.log(ngx.WARN, "weir: ", sentence)
  end

  host.prepare, host.park, host.wake = Waits.prepare, Tasks.park, Waits.wake
  host.join, host.kill = Tasks.join, Tasks.kill

  function host.spawn(fn, ...)
    return Tasks.spawn(Waits.can_park(), fn, ...)
  end

  function host.sleep(seconds)
    Tasks.must_park(Waits.prepare(), math.max(seconds, TICK))
  end

  --- Calls fn() as a task, also while the worker leaves, since another task may wait
  --- for it. It is a task that sleeps: nginx would drop a timer at that time.
  function host.timer(seconds, fn)
    local w, handle = Waits.prepare(), {}
    function handle.cancel()
      fn = nil
      Waits.wake(w)
    end
    Tasks.spawn(true, function()
      Waits.park(w, seconds)
      if fn then fn() end
    end)
    return handle
  end

  --- nginx runs the loop; this only calls main.
  function host.run(main, ...)
    return main(...)
  end

  return host
end


return Ngx
