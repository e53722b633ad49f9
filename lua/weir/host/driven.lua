-- host/driven.lua: the host of a Lua state that C drives (connectors/lua): its thread
-- belongs to a worker, which calls host.turn and waits in between, until host.fd is
-- readable or host.due() has passed. There are no signals here.

local ffi = require "ffi"
local Ffi = require "weir.ffi"
local tasks = require "weir.host.tasks"
local C = Ffi.C

local L = Ffi.system(nil, [[
struct weir_epoll_event { uint32_t events; uint64_t id; } __attribute__((packed));
int weir_epoll_new(int) __asm__("epoll_create1");
int weir_epoll_control(int, int, int, struct weir_epoll_event *) __asm__("epoll_ctl");
int weir_epoll_wait(int, struct weir_epoll_event *, int, int) __asm__("epoll_wait");
]])

local Driven = {}

local CLOEXEC, ADD, DELETE = 0x80000, 1, 2
local IN, OUT = 1, 4

-- Events taken from epoll at once.
local MAX = 64

-- The longest sleep of epoll_wait: milliseconds.
local LONGEST = 2 ^ 31 - 1


--- Makes a host. Raises when there are no file descriptors left.
function Driven.new()
  local fd = L.weir_epoll_new(CLOEXEC)
  if fd < 0 then error("weir: no file descriptor for a loop", 0) end
  local events = ffi.new("struct weir_epoll_event[?]", MAX)
  local change = ffi.new "struct weir_epoll_event"
  local watches, queues = {}, {}
  local ids, n_watches = 0, 0

  local function must_run()
    if not fd then error("weir: this host has stopped", 0) end
  end

  local function add(watched, mask, fn)
    must_run()
    ids = ids + 1
    change.events, change.id = mask, ids
    if L.weir_epoll_control(fd, ADD, watched, change) < 0 then
      error("weir: watching an fd: error " .. ffi.errno(), 0)
    end
    watches[ids] = fn
    return ids
  end

  local function remove(watched, id)
    watches[id] = nil
    if fd then L.weir_epoll_control(fd, DELETE, watched, change) end
  end

  -- Serves what epoll reports. Returns whether anything was.
  local function serve(milliseconds)
    local n = L.weir_epoll_wait(fd, events, MAX, milliseconds)
    for i = 0, n - 1 do
      local fn = watches[tonumber(events[i].id)]
      if fn then fn(events[i].events) end
    end
    return n > 0
  end

  local function awaited()
    if n_watches > 0 then return true end
    for queue in pairs(queues) do
      if queue.pending() > 0 then return true end
    end
    return false
  end

  -- Only the code of a policy file, and the end of the host, block here.
  local host = tasks(function(seconds)
    must_run()
    if not seconds and not awaited() then return false end
    serve(seconds and math.min(math.ceil(seconds * 1000), LONGEST) or -1)
    return true
  end)

  host.name, host.fd = "driven", fd

  --- Calls fn(events) in a turn while fd is ready to "read" or "write"; the handle's
  --- cancel() must come before the fd is closed.
  function host.watch(watched, kind, fn)
    local id = add(watched, kind == "write" and OUT or IN, fn)
    n_watches = n_watches + 1
    return {
      cancel = function()
        if not watches[id] then return end
        n_watches = n_watches - 1
        remove(watched, id)
      end,
    }
  end

  function host.signal()
    error("weir: signals belong to the program around a lua: store, not to its "
      .. "policies", 0)
  end

  function host.attach(queue)
    queues[queue] = add(queue.fd, IN, queue.drain)
  end

  function host.detach(queue)
    local id = queues[queue]
    if not id then return end
    queues[queue] = nil
    remove(queue.fd, id)
  end

  local turn = host.turn

  --- Serves completions, fds and timers, and runs what is ready. Never blocks.
  function host.turn()
    -- A drain makes no system call when nothing has completed.
    for queue in pairs(queues) do queue.drain() end
    if n_watches > 0 then serve(0) end
    turn()
  end

  local stop = host.stop
  function host.stop()
    stop()
    for queue in pairs(queues) do queue.close() end
    if fd then C.weir_close_fd(fd) end
    fd = nil
  end

  return host
end


return Driven
