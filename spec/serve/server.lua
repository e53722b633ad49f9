-- server.lua: a `weir serve` for a spec, on a free port of 127.0.0.1 and on a unix
-- socket in a folder of its own; ended by its pid.
local ffi = require "ffi"
local Shell = require "shell"

local Server = {}
Server.__index = Server

local TRIES = 600 -- of 50 ms

pcall(ffi.cdef, "int weir_spec_kill(int, int) __asm__(\"kill\");")


local function nap()
  ffi.C.weir_ppoll(nil, 0, ffi.new("struct weir_timespec", 0, 5e7), nil)
end


local function slurp(path)
  local file = io.open(path, "rb")
  local bytes = file and file:read "*a" or ""
  if file then file:close() end
  return bytes
end


-- Starts weir serve with these words, and waits until it has a pid.
local function launch(words, environment)
  local folder = Shell.folder()
  local self = setmetatable({ folder = folder, socket = folder .. "/s" }, Server)
  local build = os.getenv "WEIR_BUILD" or "build"
  local line = ("echo $$ >%s/pid; exec env %s %s/weir serve %s --listen 127.0.0.1:0")
    :format(folder, environment or "", build, words:gsub("@", folder))
  os.execute(("{ sh -c %s; echo $? >%s/code; } >%s/out 2>%s/log &"):format(
    Shell.quote(line), folder, folder, folder))
  self:wait(function() return slurp(folder .. "/pid"):find "\n" end)
  self.pid = tonumber(slurp(folder .. "/pid"))
  return self
end


--- starting runs a server of n processes, and returns without waiting for them.
function Server.starting(n, words, environment)
  local self = launch(words .. " --processes " .. n, environment)
  self.n = n
  return self
end


--- wait_for_processes reads the ports and the pids of the processes when all are ready.
function Server:wait_for_processes()
  self:wait(function()
    assert(self:runs(), self:log())
    return self:log():find(("(process %d: "):format(self.n), 1, true)
  end)
  self.ports, self.pids = {}, {}
  for port, i, pid in self:log():gmatch ":(%d+) %(process (%d+): (%d+)%)" do
    self.ports[tonumber(i)], self.pids[tonumber(i)] = tonumber(port), tonumber(pid)
  end
  self.port = self.ports[1]
end


--- cluster serves by n processes and waits until they are ready: .ports, .pids.
function Server.cluster(n, words, environment)
  local self = Server.starting(n, words, environment)
  self:wait_for_processes()
  return self
end


--- start serves what `words` say (stores and options, quoted for the shell), and waits
--- until it is ready. `environment`: assignments in front of the command.
function Server.start(words, environment)
  local self = launch(words .. " --listen unix:@/s", environment)
  self:wait(function()
    assert(self:runs(), self:log())
    return self:log():find "ready at unix"
  end)
  self.port = tonumber(self:log():match "ready at 127%.0%.0%.1:(%d+)")
  self.url = ("redis://127.0.0.1:%d"):format(self.port)
  self.unix_url = "redis+unix://" .. self.socket
  return self
end


--- gated returns a policy file whose requests wait until there is such a file.
function Server.gated(path)
  return ([[
    local weir, io = require "weir", require "io"
    return policy { children = { memory { inline = false } },
      run = function(self, req)
        while not io.open(%q) do weir.sleep(0.01) end
        return self.children[1]:run(req)
      end }
  ]]):format(path)
end


--- log returns what the server has said.
function Server:log()
  return slurp(self.folder .. "/log")
end


--- wait waits until a condition holds, at most half a minute.
function Server:wait(condition)
  for _ = 1, TRIES do
    local held = condition()
    if held then return held end
    nap()
  end
  error("waited in vain, the server said: " .. self:log(), 2)
end


--- cli runs redis-cli with these words; returns what it wrote.
function Server:cli(words, input, seconds)
  local _, out, err = Shell.run(("redis-cli -p %d %s"):format(self.port, words), input,
    seconds)
  return out .. err
end


--- code returns the exit code of a server that has ended.
function Server:code()
  return self:wait(function() return tonumber(slurp(self.folder .. "/code")) end)
end


--- info returns a field of INFO.
function Server:info(field)
  return self:cli("info"):match(field .. ":([^\r\n]*)")
end


function Server:signal(number, pid)
  ffi.C.weir_spec_kill(pid or self.pid, number)
end


--- runs says whether the process is there.
function Server:runs(pid)
  local state = slurp(("/proc/%d/stat"):format(pid or self.pid)):match "%) (%a)"
  return state ~= nil and state ~= "Z"
end


--- close ends the server and removes its folder.
function Server:close()
  self:signal(15)
  local gone = pcall(self.wait, self, function() return not self:runs() end)
  if not gone then self:signal(9) end
  Shell.remove(self.folder)
  assert(gone, "the server did not end at SIGTERM")
end


return Server
