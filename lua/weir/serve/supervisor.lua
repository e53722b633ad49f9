-- serve/supervisor.lua: the parent of the processes of weir serve --processes. It opens
-- their sockets, starts them, starts those again that end, and passes signals on. It
-- serves nothing itself, so it has no stores and no threads.
--
-- The first process starts alone: what is wrong with the stores is said once. Until all
-- have been ready, a process that ends is the end of all.

local Host = require "weir.host"
local Ports = require "weir.serve.ports"
local Process = require "weir.serve.process"
local Ready = require "weir.serve.ready"
local C = require("weir.ffi").C

local Supervisor = {}
Supervisor.__index = Supervisor

local HUP, TERM, KILL = 1, 15, 9

-- How long a process that has ended waits until it starts again, in seconds: at first,
-- then twice as long each time, and at most. One that ran for longer than CALM waits as
-- at first.
local FIRST, MOST, CALM = 0.1, 5, 10

-- How long processes have to end beyond --drain: seconds.
local GRACE = 5

local SIGNALED, FAILED = 256, 3


local function random_name()
  local file = assert(io.open("/dev/urandom", "rb"))
  local bytes = file:read(16)
  file:close()
  return (bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end


--- Opens the sockets of all processes; raises what is wrong with an address.
---@param options table as options.lua has them, complete
---@param say fun(format: string, ...)
function Supervisor.new(options, say)
  local self = setmetatable({ options = options, say = say, processes = {} },
    Supervisor)
  local run = random_name()
  for i = 1, options.processes do
    self.processes[i] = {
      number = i, fds = {}, delay = FIRST,
      place = { self = i - 1, n = options.processes, run = run },
    }
  end
  for at, address in ipairs(options.listen) do
    for i, fd in ipairs(Ports.open(address, options.processes)) do
      self.processes[i].fds[at] = fd
    end
  end
  return self
end


local function close_sockets(self)
  for _, process in ipairs(self.processes) do
    for _, fd in ipairs(process.fds) do C.weir_close_fd(fd) end
    process.fds = {}
  end
end


local function signal(self, number)
  for _, process in ipairs(self.processes) do
    if process.pid then C.weir_kill(process.pid, number) end
  end
end


-- Runs a process once; returns how it ended.
local function run_once(self, process)
  local pid, socket = Process.start(process.place, process.fds)
  if not pid then
    self.say("process %d: %s", process.number, socket)
    return FAILED
  end
  process.pid = pid
  local status = Process.follow(pid, socket, function()
    process.ready = true
    if process.reloads then C.weir_kill(pid, HUP) end
    process.reloads = false
    if self.told then self.say("process %d (%d) is ready", process.number, pid) end
    Host.wake(self.waiter)
  end)
  process.pid, process.ready = nil, false
  return status
end


local function how(status)
  if status >= SIGNALED then return "by signal " .. status - SIGNALED end
  return "with exit code " .. status
end


-- Keeps a process running until the server stops.
local function keep(self, process)
  while not self.stopping do
    local from = Host.now()
    local status = run_once(self, process)
    if self.stopping then break end
    if not self.told then
      self.failed = status < SIGNALED and status or FAILED
      self.say("process %d ended %s before all were ready", process.number, how(status))
      self:stop()
      break
    end
    if Host.now() - from > CALM then process.delay = FIRST end
    self.say("process %d ended %s, it starts again in %.1f s", process.number,
      how(status), process.delay)
    process.waiter = Host.prepare()
    Host.wait(process.waiter, process.delay)
    process.waiter = nil
    process.delay = math.min(2 * process.delay, MOST)
  end
  process.ended = true
  Host.wake(self.waiter)
end


-- Whether all processes have a field.
local function all(self, field)
  for _, process in ipairs(self.processes) do
    if not process[field] then return false end
  end
  return true
end


-- Starts the processes; false: the server stops already.
local function start_all(self)
  for _, process in ipairs(self.processes) do
    Host.spawn(keep, self, process)
    while process.number == 1 and not process.ready and not self.stopping do
      Host.wait(self.waiter)
    end
    if self.stopping then
      for i = process.number + 1, #self.processes do self.processes[i].ended = true end
      return false
    end
  end
  while not all(self, "ready") and not self.stopping do Host.wait(self.waiter) end
  return not self.stopping
end


local function tell(self)
  self.told = true
  for _, process in ipairs(self.processes) do
    for at, fd in ipairs(process.fds) do
      self.say("ready at %s (process %d: %d)", Ports.name(self.options.listen[at], fd),
        process.number, process.pid)
    end
  end
  Ready.tell(self)
end


--- Serves until stop is called. Returns the exit code of a process that did not start,
--- or 0.
---@return integer
function Supervisor:run()
  self.waiter = Host.prepare()
  if start_all(self) then tell(self) end
  while not self.stopping do Host.wait(self.waiter) end
  while not all(self, "ended") do
    Host.wait(self.waiter, math.max(self.deadline - Host.now(), 0.1))
    if Host.now() >= self.deadline then signal(self, KILL) end
  end
  if self.told then Ready.tell_stopping(self) end
  return self.failed or 0
end


--- Lets all processes read their policy files and certificates again. One that is just
--- starting does it once it handles the signal.
function Supervisor:reload()
  for _, process in ipairs(self.processes) do
    if process.ready then
      C.weir_kill(process.pid, HUP)
    else
      process.reloads = true
    end
  end
end


--- Ends the processes, which answer what is under way; called again, they do not.
function Supervisor:stop()
  if not self.stopping then
    self.stopping = true
    self.deadline = Host.now() + self.options.drain + GRACE
    close_sockets(self)
  end
  signal(self, TERM)
  for _, process in ipairs(self.processes) do
    if process.waiter then Host.wake(process.waiter) end
  end
  Host.wake(self.waiter)
end


--- Its own pid, for a pidfile.
function Supervisor.pid()
  return C.weir_getpid()
end


return Supervisor
