-- host/tasks.lua: coroutines over something that can wait for events: the part that
-- the hosts plain, ev and luv share. A task runs until it parks; a wake puts
-- it in line. Whoever is no task (the main script, a coroutine of the user's)
-- parks by running the others until it is woken.

local Blame = require "weir.core.blame"
local Host = require "weir.host"
local Random = require "weir.host.random"
local Timers = require "weir.host.timers"
local C = require("weir.ffi").C

local co_create, co_resume = coroutine.create, coroutine.resume
local co_running, co_yield = coroutine.running, coroutine.yield

-- How many finished coroutines are kept for the next tasks.
local SPARE = 256


local function now()
  return tonumber(C.weir_now()) * 1e-9
end


--- The functions of a host over `wait(seconds)`, which blocks until events came
--- and have been served, at most that long; with nil it blocks until then, or
--- returns false at once if nothing could ever come.
return function(wait)
  local host = { now = now, random = Random.new() }
  local timers = Timers.new()
  local ready, first, last = {}, 1, 0
  local spare = {}
  local alive = {} -- tasks that have not ended
  local failed = {} -- tasks that ended by an error nobody has seen
  local stops = {}
  local current
  local main_task, ending -- of run; why it ends before main returns

  -- ---- tasks ----

  local function settle(task, ok, ...)
    task.ok, task.n, task.results = ok, select("#", ...), { ... }
    alive[task] = nil
    if not ok and #task.joiners == 0 and task.results[1] ~= Host.KILLED then
      failed[task] = true
    end
    for i = 1, #task.joiners do host.wake(task.joiners[i]) end
    if #spare < SPARE then spare[#spare + 1] = task.co end
    task.co = nil
  end

  local function body(task, fn, ...)
    settle(task, xpcall(fn, Blame.remember, ...))
    return body(co_yield())
  end

  local function switch(task, ...)
    local before = current
    current = task
    local ok, err = co_resume(task.co, ...)
    current = before
    if not ok then error(err, 0) end
  end

  local function line_up(task, woken, why)
    task.woken, task.why = woken, why
    last = last + 1
    ready[last] = task
  end

  local function run_ready()
    for _ = first, last do
      local task = ready[first]
      if not task then return end
      ready[first] = nil
      first = first + 1
      switch(task)
    end
    if first > last then first, last = 1, 0 end
  end

  -- ---- waiting ----

  local function unpark(w, woken, why)
    local task = w.task
    w.task, task.w = nil, nil
    if w.timer then w.timer:cancel() end
    w.timer = nil
    line_up(task, woken, why)
  end

  local function expire(w)
    unpark(w, false, "timeout")
  end

  local function block(limit)
    local at = math.min(timers:first() or math.huge, limit or math.huge)
    local seconds
    if first <= last then
      seconds = 0
    elseif at < math.huge then
      seconds = math.max(at - now(), 0)
    end
    if not wait(seconds) and not seconds then
      error("weir: nothing will ever wake what is waited for here", 0)
    end
    if timers:first() then timers:run(now()) end
  end

  local function pump(w, timeout)
    local limit = timeout and now() + timeout
    run_ready()
    while not w.woken do
      if limit and now() >= limit then return false, "timeout" end
      block(limit)
      run_ready()
    end
    w.woken = false
    return true
  end

  function host.prepare()
    return { woken = false }
  end

  function host.park(w, timeout)
    local task = current
    if task and task.killed then return false, "killed" end
    if w.woken then
      w.woken = false
      return true
    end
    if not task or co_running() ~= task.co then return pump(w, timeout) end
    w.task, task.w = task, w
    if timeout then w.timer = timers:add(now() + timeout, expire, w) end
    co_yield()
    return task.woken, task.why
  end

  function host.wake(w)
    if w.task then unpark(w, true) else w.woken = true end
  end

  function host.can_park()
    return true
  end

  local function must_live(woken, why)
    if not woken and why == "killed" then error(Host.KILLED, 0) end
  end

  function host.sleep(seconds)
    must_live(host.park(host.prepare(), seconds))
  end

  function host.timer(seconds, fn)
    return timers:add(now() + seconds, host.spawn, fn)
  end

  -- ---- life ----

  function host.spawn(fn, ...)
    local task = { joiners = {}, co = table.remove(spare) or co_create(body) }
    alive[task] = true
    switch(task, task, fn, ...)
    return task
  end

  function host.join(task)
    if task.ok == nil then
      local w = host.prepare()
      task.joiners[#task.joiners + 1] = w
      must_live(host.park(w))
    end
    failed[task] = nil
    return task.ok, unpack(task.results, 1, task.n)
  end

  function host.kill(task)
    if task.ok ~= nil then return end
    task.killed = true
    if task.w then unpark(task.w, false, "killed") end
  end

  -- ---- for a loop that is somebody else's ----

  --- Fires the timers that are due and runs what is ready; never blocks.
  function host.turn()
    if timers:first() then timers:run(now()) end
    run_ready()
  end

  --- The seconds until turn has something to do; nil: when an event says so.
  function host.due()
    if first <= last then return 0 end
    local at = timers:first()
    return at and math.max(at - now(), 0)
  end

  --- Whether a task of this host is running, outside of coroutines of its own.
  function host.in_task()
    return current ~= nil and co_running() == current.co
  end

  --- The error of a task that failed and that nobody has joined, told once.
  function host.failure()
    local task = next(failed)
    if not task then return nil end
    failed[task] = nil
    return task.results[1]
  end

  function host.on_stop(fn)
    stops[#stops + 1] = fn
  end

  -- A task that is killed cannot wait again, so that this ends.
  local function unwind()
    for task in pairs(alive) do
      if task ~= current then host.kill(task) end
    end
    while first <= last do run_ready() end
  end

  --- Runs what on_stop was given, the last first, then unwinds all tasks.
  function host.stop()
    while #stops > 0 do table.remove(stops)() end
    unwind()
  end

  --- Ends run before main returns: main and all tasks are unwound, what on_stop was
  --- given runs, and run raises `why`.
  function host.quit(why)
    if not main_task or main_task.ok ~= nil then return end
    ending = ending or { why = why }
    host.kill(main_task)
  end

  function host.run(main, ...)
    local before = Host.use(host)
    local task = host.spawn(main, ...)
    main_task = task
    local fine, why = pcall(host.join, task)
    if ending then unwind() end
    local stopped, fault = pcall(host.stop)
    Host.use(before)
    if ending then error(ending.why, 0) end
    if not fine then error(why, 0) end
    if not task.ok then error(task.results[1], 0) end
    if not stopped then error(fault, 0) end
    local other = host.failure()
    if other ~= nil then error(other, 0) end
    return unpack(task.results, 1, task.n)
  end

  return host
end
