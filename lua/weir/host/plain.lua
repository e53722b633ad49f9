-- host/plain.lua: the host of a script without an event loop. A verb waits for its
-- completion with poll(2), and tasks run meanwhile. It is the current host until
-- another one is set.

local ffi = require "ffi"
local tasks = require "weir.host.tasks"
local C = require("weir.ffi").C

local Plain = {}

local POLLIN = 1
local pollfds = ffi.typeof "struct weir_pollfd[?]"


--- Makes a plain host.
function Plain.new()
  local queues, fds = {}, nil
  local time = ffi.new "struct weir_timespec"

  local function list_fds()
    fds = pollfds(math.max(#queues, 1))
    for i, queue in ipairs(queues) do
      fds[i - 1].fd, fds[i - 1].events = queue.fd, POLLIN
    end
  end

  local function serve()
    for i = #queues, 1, -1 do queues[i].drain() end
  end

  local function awaited()
    for i = 1, #queues do
      if queues[i].pending() > 0 then return true end
    end
    return false
  end

  list_fds()
  local host = tasks(function(seconds)
    if not seconds and not awaited() then return false end
    if seconds then
      time.seconds = seconds
      time.nanoseconds = (seconds - math.floor(seconds)) * 1e9
    end
    if C.weir_ppoll(fds, #queues, seconds and time or nil, nil) > 0 then serve() end
    return true
  end)

  host.name = "plain"

  function host.attach(queue)
    queues[#queues + 1] = queue
    list_fds()
  end

  function host.detach(queue)
    for i = #queues, 1, -1 do
      if queues[i] == queue then table.remove(queues, i) end
    end
    list_fds()
  end

  local stop = host.stop
  function host.stop()
    stop()
    while #queues > 0 do queues[#queues].close() end
  end

  return host
end


return Plain
