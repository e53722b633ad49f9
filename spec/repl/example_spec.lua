-- examples/repl.md says what is so: its lines are typed at a terminal, and what the
-- screen shows must be what stands in it, but for times and for where the stores are.
local Server = require "redis_server"
local shell = require "shell"
local Tmux = require "tmux"

local WEIR = (os.getenv "WEIR_BUILD" or "build") .. "/weir "


-- The lines of the console blocks, which are one session.
local function transcript()
  local file = assert(io.open "examples/repl.md")
  local text = file:read "*a"
  file:close()
  local lines = {}
  for block in text:gmatch "\n```console\n(.-)\n```" do
    for line in (block .. "\n"):gmatch "([^\n]*)\n" do lines[#lines + 1] = line end
  end
  return lines
end


-- What is typed in a line, and the prompt before it.
local function typed(line)
  local prompt, text = line:match "^(%l+>) (.*)$"
  if not prompt then prompt, text = line:match "^( +%.%.) (.*)$" end
  return text, prompt
end


-- Times differ, and with them the widths of columns; tabs are blanks on a screen.
local function plain(text)
  return (text:gsub("[%d.]+ [num]?s%f[^%w]", "TIME"):gsub("[%d.]+ min", "TIME")
    :gsub("[ \t]+", " "):gsub(" \n", "\n"):gsub(" $", ""))
end


describe("examples/repl.md #unsanitized", function()
  local server, folder, term

  setup(function() server, folder = Server.start(), shell.folder() end)

  teardown(function()
    if term then term:close() end
    server:close()
    shell.remove(folder)
  end)

  it("shows what the session shows", function()
    local lines = transcript()
    local places = {
      ["127.0.0.1:6379"] = server.folder .. "/socket",
      ["/var/cache/weir"] = folder .. "/disk",
    }
    term = Tmux.start(("%s repl %s fs://%s/disk"):format(WEIR, server.url, folder),
      { XDG_STATE_HOME = folder, NO_COLOR = "1" }, 160, 200)
    local shown = {}
    for i = 2, #lines do
      local text, prompt = typed(lines[i])
      if text then
        local expected = table.concat(shown, "\n") .. "\n" .. prompt
        term:wait_for(function(screen) return plain(screen) == plain(expected) end,
          expected)
        term:enter(text)
      end
      shown[#shown + 1] = lines[i]:gsub("[%d./%l]+[%d:/][%w/]+", places)
    end
    term:wait "exit code: 0"
  end)
end)
