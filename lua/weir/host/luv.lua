-- host/luv.lua: the host over libuv, for luvit, Neovim and scripts with luv. In a loop
-- that another program runs:
--
--     require("weir.host").use(require("weir.host.luv").new())
--     socket:read_start(function(err, data)          -- any callback of luv's
--       weir.spawn(function() socket:write(tostring(store:get(data))) end)
--     end)
--
-- or, if no loop runs yet, host.run(main). A callback itself cannot wait, since the
-- loop would stand still. The error of a task that no task joins is raised by the
-- loop's next turn, as luv does with errors in callbacks.

local Host = require "weir.host"
local tasks = require "weir.host.tasks"

local Luv = {}

local function nothing() end


-- libuv uses a handle until its close callback. The callback keeps the handle alive
-- until then.
local function close(handle)
  handle:close(function() return handle end)
end


-- libuv counts whole milliseconds.
local function milliseconds(seconds)
  return math.ceil(seconds * 1000)
end


--- Makes a host over luv's loop.
---@param uv table? the luv module, by default require "luv"
function Luv.new(uv)
  uv = uv or require "luv"
  local host
  local polls = {} -- by queue
  local turner, due, limit -- handles while the host is in use
  local running = false -- in host.run: it raises what failed

  local function awaited()
    for queue in pairs(polls) do
      if queue.pending() > 0 then return true end
    end
    return false
  end

  -- Runs one turn of the tasks, with this host as the current one.
  local function turn()
    local before = Host.use(host)
    local fine, why = pcall(host.turn)
    Host.use(before)
    local failure = not running and host.failure()
    if not fine then error(why, 0) end
    if failure then error(failure, 0) end
  end

  -- Runs once in each turn of the loop, right before it looks for events.
  local function before_events()
    turn()
    local seconds = host.due()
    if seconds then
      due:start(milliseconds(seconds), 0, nothing)
    else
      due:stop()
    end
    if not awaited() then uv.unref(turner) end
  end

  local function open_handles()
    if turner then return end
    turner, due, limit = uv.new_prepare(), uv.new_timer(), uv.new_timer()
    turner:start(before_events)
    uv.unref(turner)
  end

  local function close_handles()
    if not turner then return end
    close(turner)
    close(due)
    close(limit)
    turner = nil
    if not uv.loop_mode() then uv.run "nowait" end
  end

  -- Code that is no task waits by turning the loop.
  host = tasks(function(seconds)
    if not seconds and not awaited() and not uv.loop_alive() then return false end
    open_handles()
    if seconds then limit:start(milliseconds(seconds), 0, nothing) end
    if awaited() then uv.ref(turner) end
    uv.run(seconds == 0 and "nowait" or "once")
    if limit then limit:stop() end
    return true
  end)

  host.name = "luv"

  function host.can_park()
    if host.in_task() or not uv.loop_mode() then return true end
    return nil, "a callback of the loop cannot wait: use weir.spawn"
  end

  -- A task that prepares will wait, so the loop must not end before.
  local prepare = host.prepare
  function host.prepare()
    open_handles()
    uv.ref(turner)
    return prepare()
  end

  function host.attach(queue)
    local poll = uv.new_poll(queue.fd)
    polls[queue] = poll
    poll:start("r", function()
      queue.drain()
      turn()
    end)
    uv.unref(poll)
  end

  function host.detach(queue)
    local poll = polls[queue]
    polls[queue] = nil
    if poll then close(poll) end
  end

  local stop = host.stop
  function host.stop()
    stop()
    for queue in pairs(polls) do queue.close() end
    close_handles()
  end

  local function ran(good, ...)
    running = false
    if not good then error((...), 0) end
    return ...
  end

  local run = host.run
  function host.run(main, ...)
    if uv.loop_mode() then
      error("the loop runs already: use weir.spawn", 2)
    end
    running = true
    return ran(pcall(run, main, ...))
  end

  return host
end


return Luv
