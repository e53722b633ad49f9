-- How far long work has come: one line that is drawn over on a terminal, else a
-- plain line now and then.
local Progress = {}
Progress.__index = Progress

local EVERY = { terminal = 0.1, plain = 5 }


-- Whether stderr, where progress goes, is a terminal.
local function on_terminal()
  local status = os.execute "test -t 2"
  return status == 0 or status == true
end


--- Makes a progress. now is a function that returns the time in seconds.
function Progress.new(now)
  local terminal = on_terminal()
  return setmetatable({
    now = now,
    terminal = terminal,
    every = terminal and EVERY.terminal or EVERY.plain,
    due = now() + (terminal and 0 or EVERY.plain),
  }, Progress)
end


--- Shows the text that describe() returns, if it is time to.
---@param describe fun(): string
function Progress:tell(describe)
  local now = self.now()
  if now < self.due then
    return
  end
  self.due = now + self.every
  if self.terminal then
    io.stderr:write("\r\27[K", describe())
  else
    io.stderr:write(describe(), "\n")
  end
  io.stderr:flush()
end


--- close takes the line away from the terminal.
function Progress:close()
  if self.terminal then
    io.stderr:write "\r\27[K"
  end
end


return Progress
