-- tmux.lua: a terminal for specs: a private tmux server with one window. Whatever a
-- spec expects it waits for, with a deadline; it never sleeps for luck.
local ffi = require "ffi"
local shell = require "shell"

local Tmux = {}
Tmux.__index = Tmux

local DEADLINE = 30

local count = 0


local function tmux(self, ...)
  local words = { "tmux", "-L", self.socket }
  for _, word in ipairs { ... } do words[#words + 1] = shell.quote(word) end
  local pipe = assert(io.popen(table.concat(words, " ") .. " 2>&1"))
  local out = pipe:read "*a"
  pipe:close()
  return out
end


--- start runs a command line in a window of 80 by 24, or as large as said. `env`:
--- variables by name.
function Tmux.start(line, env, columns, rows)
  count = count + 1
  local self = setmetatable({
    socket = ("weir-spec-%d-%d"):format(require("weir.ffi").C.weir_getpid(), count),
  }, Tmux)
  local settings = { "env", "LANG=C.UTF-8", "TERM=screen" }
  for name, value in pairs(env or {}) do
    settings[#settings + 1] = name .. "=" .. shell.quote(value)
  end
  local command = table.concat(settings, " ") .. " " .. line
  tmux(self, "-f", "/dev/null", "new-session", "-d", "-x", tostring(columns or 80),
    "-y", tostring(rows or 24),
    command .. "; echo \"exit code: $?\"; exec sleep 1000")
  return self
end


--- type sends text as it is.
function Tmux:type(text)
  tmux(self, "send-keys", "-l", "--", text)
end


--- key sends keys by tmux's names: Enter, Tab, C-c, Up.
function Tmux:key(...)
  tmux(self, "send-keys", ...)
end


--- enter types a line.
function Tmux:enter(text)
  self:type(text)
  self:key "Enter"
end


--- paste sends text as a terminal sends what is pasted.
function Tmux:paste(text)
  local path = os.tmpname()
  shell.write(path, text)
  tmux(self, "load-buffer", path)
  tmux(self, "paste-buffer", "-p")
  os.remove(path)
end


function Tmux:resize(columns, rows)
  tmux(self, "resize-window", "-x", tostring(columns), "-y", tostring(rows))
end


--- screen returns what can be seen; options as of tmux capture-pane.
function Tmux:screen(options)
  return (tmux(self, "capture-pane", "-p", unpack(options or {})):gsub("%s+$", ""))
end


--- wait_for returns the screen once fits(screen) is true, and fails with what was
--- expected and the screen when that does not come to pass.
function Tmux:wait_for(fits, expected)
  local stop = os.time() + DEADLINE
  local screen
  repeat
    screen = self:screen()
    if fits(screen) then return screen end
    ffi.C.weir_ppoll(nil, 0, ffi.new("struct weir_timespec", 0, 2e7), nil)
  until os.time() > stop
  error(("%s\ndid not appear; the screen is:\n%s"):format(expected, screen), 3)
end


--- wait returns the screen once it matches a Lua pattern.
function Tmux:wait(pattern)
  return self:wait_for(function(screen) return screen:find(pattern) end, pattern)
end


function Tmux:close()
  tmux(self, "kill-server")
end


return Tmux
