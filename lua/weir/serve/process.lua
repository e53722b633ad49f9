-- serve/process.lua: one of the processes of weir serve --processes, on both sides. The
-- supervisor starts it with the same command line; the variable WEIR_SERVE_PROCESS says
-- which one it is. A socket between the two tells the supervisor when the process is
-- ready and when it has ended, and the process when the supervisor has ended.

local ffi = require "ffi"
local Environment = require "weir.serve.environment"
local Ffi = require "weir.ffi"
local Host = require "weir.host"
local Params = require "weir.language.params"

local C, S = Ffi.C, Ffi.serve()

local Process = {}

local VARIABLE = "WEIR_SERVE_PROCESS"

local AGAIN = -11 -- -EAGAIN
local READY = "READY=1\n"
local LOOK = 0.01 -- between looks whether a process that closed its socket has ended


-- ---- the side of the supervisor ----

-- An array of C strings from a list, ended by NULL. The list must be kept.
local function strings(list)
  local array = ffi.new("const char *[?]", #list + 1)
  for i, text in ipairs(list) do array[i - 1] = text end
  return array
end


-- This process's environment without what is not for a child, and with its number.
local function environment(said)
  local list = { VARIABLE .. "=" .. said }
  for name, line in Environment.each() do
    if name ~= VARIABLE and name ~= "NOTIFY_SOCKET" then list[#list + 1] = line end
  end
  return list
end


-- The words that this process was started with, the program first.
local function command_line()
  local list, first = {}, 0
  while arg[first - 1] do first = first - 1 end
  for i = first, #arg do list[#list + 1] = arg[i] end
  return list
end


--- Starts process `self` of n. Returns its pid and the socket; nil and why not.
---@param place { self: integer, n: integer, run: string }
---@param fds integer[] the sockets it listens at
function Process.start(place, fds)
  local pair = ffi.new "int32_t[2]"
  local rc = S.weir_process_pair(pair)
  if rc < 0 then return nil, "no socket: error " .. -rc end
  local words = { place.self, place.n, place.run, pair[1] }
  local inherited = ffi.new("int32_t[?]", #fds + 1, pair[1])
  for i, fd in ipairs(fds) do
    words[#words + 1], inherited[i] = fd, fd
  end
  local line, all = command_line(), environment(table.concat(words, " "))
  local pid = S.weir_process_start("/proc/self/exe", strings(line), strings(all),
    inherited, #fds + 1)
  C.weir_close_fd(pair[1])
  if pid >= 0 then return pid, pair[0] end
  C.weir_close_fd(pair[0])
  return nil, "cannot start: error " .. -pid
end


--- Waits until a process has ended; returns its exit code, or 256 + the signal.
---@param ready fun() is called when the process serves
function Process.follow(pid, socket, ready)
  local bytes, waiter = ffi.new("char[?]", #READY), Host.prepare()
  local watch = Host.current().watch(socket, "read", function() Host.wake(waiter) end)
  while true do
    Host.wait(waiter)
    if C.weir_read(socket, bytes, #READY) <= 0 then break end
    ready()
  end
  watch.cancel()
  C.weir_close_fd(socket)
  local status = S.weir_process_ended(pid)
  while status == AGAIN do
    Host.sleep(LOOK)
    status = S.weir_process_ended(pid)
  end
  return status
end


-- ---- the side of the process ----

--- Whether this is one of several processes: its place, the sockets it listens at as
--- addresses, and its socket to the supervisor; else nil. Policy files have its number
--- as param "process", from 1 on.
function Process.mine()
  local said = os.getenv(VARIABLE)
  if not said then return nil end
  local me, n, run, socket, fds = said:match "^(%d+) (%d+) (%x+) (%d+) ([%d ]+)$"
  if not me then error(VARIABLE .. " is for weir serve itself", 0) end
  local addresses = {}
  for fd in fds:gmatch "%d+" do addresses[#addresses + 1] = "fd:" .. fd end
  Params.offered.process, Params.offered.processes = tostring(me + 1), n
  return { self = tonumber(me), n = tonumber(n), run = run }, addresses,
    tonumber(socket)
end


--- Tells the supervisor that this process serves.
function Process.tell(socket)
  C.weir_write(socket, READY, #READY)
end


--- Calls fn when the supervisor has ended.
function Process.when_alone(socket, fn)
  local watch
  watch = Host.current().watch(socket, "read", function()
    watch.cancel()
    fn()
  end)
end


return Process
