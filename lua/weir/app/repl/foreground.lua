-- app/repl/foreground.lua: runs a line as a task that Ctrl-C ends. While the task waits
-- it is killed, while it computes a hook looks for the signal. The session and its
-- background jobs go on.
local Host = require "weir.host"
local Terminal = require "weir.app.terminal"

local Foreground = {}
Foreground.__index = Foreground

-- Instructions between two looks for Ctrl-C.
local LOOK = 20000


--- Takes over the signals of the terminal. `input` gets those that come while a
--- line is typed.
function Foreground.new(input)
  local self = setmetatable({ input = input }, Foreground)
  self.signals = Terminal.signals {
    Terminal.SIGINT, Terminal.SIGWINCH, Terminal.SIGCONT,
  }
  input.signals = self.signals.fd
  self.watch = Host.current().watch(self.signals.fd, "read", function()
    local number = self.signals:take()
    if not number then return end
    if self.input.reading then
      self.input:signal(number)
    elseif number == Terminal.SIGINT and self.task then
      Host.kill(self.task)
    end
  end)
  return self
end


-- Raises in the code that was typed, nowhere else: jobs are no business of Ctrl-C.
local function hook(self)
  if coroutine.running() ~= self.running then return end
  if self.signals:take() == Terminal.SIGINT then error(Host.KILLED, 0) end
end


--- Runs fn(...) to its end. Returns whether it ended by itself, and its results or the
--- error. The error of an interruption is Host.KILLED.
function Foreground:run(fn, ...)
  debug.sethook(function() hook(self) end, "", LOOK)
  self.task = Host.spawn(function(...)
    self.running = coroutine.running()
    return fn(...)
  end, ...)
  local function settle(...)
    debug.sethook()
    self.task, self.running = nil, nil
    return ...
  end
  return settle(Host.join(self.task))
end


function Foreground:close()
  self.watch.cancel()
  self.signals:close()
end


return Foreground
