-- host/ev.lua: the host over libev. The `weir` command and weir.run use it: many fds,
-- and signals. The loop returns arrays of events, so no callback enters Lua.

local ffi = require "ffi"
local Ffi = require "weir.ffi"
local tasks = require "weir.host.tasks"

local Ev = {}

-- The most events that one poll returns.
local MAX = 256
local FOREVER = 0xffffffffffffffffULL


local function check(rc, what)
  if rc < 0 then error(("weir: %s: error %d"):format(what, -rc), 3) end
end


--- Makes a host with a libev loop of its own.
function Ev.new()
  local L = Ffi.loop()
  local slot = ffi.new "struct weir_loop *[1]"
  check(L.weir_loop_new(slot), "a libev loop")
  local loop = ffi.gc(slot[0], L.weir_loop_free)
  local events = ffi.new("struct weir_loop_event[?]", MAX)
  local watches, queues = {}, {}
  local ids, n_watches = 0, 0

  local function must_run()
    if not loop then error("weir: this host has stopped", 0) end
  end

  -- Watches an fd, or with no events ends that.
  local function watch(fd, events_of_fd, id)
    must_run()
    check(L.weir_loop_watch(loop, fd, events_of_fd, id), "watching an fd")
  end

  local function awaited()
    if n_watches > 0 then return true end
    for queue in pairs(queues) do
      if queue.pending() > 0 then return true end
    end
    return false
  end

  local host = tasks(function(seconds)
    must_run()
    if not seconds and not awaited() then return false end
    local n = L.weir_loop_poll(loop, seconds and seconds * 1e9 or FOREVER, events, MAX)
    check(n, "libev")
    for i = 0, n - 1 do
      local fn = watches[tonumber(events[i].id)]
      if fn then fn(events[i].events) end
    end
    return true
  end)

  host.name = "ev"

  local function remember(fn)
    ids = ids + 1
    watches[ids] = fn
    return ids
  end

  --- Calls fn(events) in the loop while fd is ready to "read" or "write". The handle's
  --- cancel() must be called before the fd is closed.
  function host.watch(fd, kind, fn)
    local id = remember(fn)
    watch(fd, kind == "write" and L.WEIR_LOOP_WRITE or L.WEIR_LOOP_READ, id)
    n_watches = n_watches + 1
    return {
      cancel = function()
        if not watches[id] then return end
        watches[id] = nil
        n_watches = n_watches - 1
        if loop then watch(fd, 0, 0) end
      end,
    }
  end

  --- Calls fn() in the loop when a signal arrives. A signal alone does not keep the
  --- loop alive. After handle.ends(seconds) fn is called for the next arrival only. A
  --- second arrival ends the process, and so does the first one if the loop has not
  --- seen it within so many seconds.
  function host.signal(signum, fn)
    local id = remember(fn)
    must_run()
    check(L.weir_loop_signal(loop, signum, id), "watching signal " .. tostring(signum))
    return {
      ends = function(seconds)
        must_run()
        check(L.weir_loop_signal_ends(loop, signum, seconds * 1e9), "a signal's timer")
      end,
      cancel = function()
        watches[id] = nil
        if loop then L.weir_loop_signal(loop, signum, 0) end
      end,
    }
  end

  function host.attach(queue)
    local id = remember(function() queue.drain() end)
    watch(queue.fd, L.WEIR_LOOP_READ, id)
    queues[queue] = id
  end

  function host.detach(queue)
    local id = queues[queue]
    if not id then return end
    watch(queue.fd, 0, 0)
    queues[queue], watches[id] = nil, nil
  end

  local stop = host.stop
  function host.stop()
    stop()
    for queue in pairs(queues) do queue.close() end
    if loop then L.weir_loop_free(ffi.gc(loop, nil)) end
    loop = nil
  end

  return host
end


return Ev
