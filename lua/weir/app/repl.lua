-- app/repl.lua: the session: reads lines, evaluates them as Lua or runs dot commands,
-- until it is ended. Called by `weir repl`.
local Exit = require "weir.app.exit"
local Interpret = require "weir.app.repl.interpret"
local Script = require "weir.app.repl.script"
local Session = require "weir.app.repl.session"
local Terminal = require "weir.app.terminal"
local Watch = require "weir.app.repl.watch"
local Wide = require "weir.app.repl.wide"

local Repl = {}

local WELCOME = {
  "A store in memory to play with is open as `memory`. For example:",
  '  memory:set("greeting", "hello")     memory:get "greeting"     .ls',
  "  .open cache redis://127.0.0.1/0     .help     .quit",
}


local function prompt(session, begun)
  local name = session.current or "weir"
  local mark = session.current and session.stores[name].prod and " (prod)" or ""
  local whole = name .. mark .. "> "
  return begun and (" "):rep(Wide.width(whole) - 3) .. ".. " or whole
end


-- For later sessions: the lines of a statement, when it is whole or dropped.
local function keep(session, source)
  if session.history and source:find "%S" then session.history:add(source) end
end


local function loop(session)
  local begun
  while not session.ended do
    local line, why = session.input:read(prompt(session, begun))
    if why == "eof" then break end
    local source = begun
    if line then
      if line:find "%S" then session.input:remember(line) end
      source = begun and begun .. "\n" .. line or line
    end
    begun = line and Interpret.text(session, source) and source or nil
    if source and not begun then keep(session, source) end
  end
  if begun then
    keep(session, begun)
    session.output:fail "the input ends within a statement"
    session:worse(Exit.USAGE)
  end
end


local function open_all(session, targets)
  for _, target in ipairs(targets) do
    local fine, err = pcall(session.open, session, target)
    if not fine then Exit.fail(Exit.ERROR, "%s", tostring(err)) end
  end
end


-- Adds the parts that need a terminal: editing, history, completion, Ctrl-C, a
-- greeting.
local function be_interactive(session, targets)
  local Complete = require "weir.app.repl.complete"
  session.foreground = require("weir.app.repl.foreground").new(session.input)
  session.input.complete = function(before) return Complete.run(session, before) end
  for _, name in ipairs(targets[1] and session.names or {}) do
    session.input:print(("%s = %s"):format(name, session.stores[name].inner.name))
  end
  for _, line in ipairs(targets[1] and {} or WELCOME) do session.input:print(line) end
end


--- Runs a session inside a host. Returns the exit code: at a terminal 0, since the user
--- has seen the errors.
---@param targets string[] URLs, connectors, policy files, each perhaps NAME=...
---@param opts { read_only: boolean?, json: boolean? }
---@return integer
function Repl.run(targets, opts)
  local interactive = Terminal.is(0) and Terminal.is(1)
  -- libedit is needed only at a terminal.
  local history = interactive and require("weir.app.repl.history").open()
  local session = Session.new {
    input = interactive and require("weir.app.repl.editor").new(history.lines)
      or Script.new(),
    history = history, interactive = interactive, read_only = opts.read_only,
  }
  if opts.json then session.output.format = "json" end
  open_all(session, targets[1] and targets or { "memory" })
  if interactive then be_interactive(session, targets) end
  -- Whatever happens, the terminal is given back as it was.
  local fine, err = pcall(loop, session)
  if fine and not interactive then session:join() end
  if session.foreground then session.foreground:close() end
  session.input:close()
  if not fine then error(err, 0) end
  session:finish()
  return interactive and Exit.OK or session.code
end


--- Evaluates an expression over a store again and again, for `weir watch`.
---@param target string
---@param expression string
---@param opts { every: number, times: integer?, json: boolean? }
---@return integer code of the last evaluation
function Repl.watch(target, expression, opts)
  local session = Session.new { input = Script.new(), interactive = false }
  if opts.json then session.output.format = "json" end
  open_all(session, { target })
  session.variables.store = session:current_store()
  local fine, chunk = pcall(Watch.compile, expression, session.env)
  if not fine then Exit.fail(Exit.USAGE, "%s", chunk) end
  local code = Watch.run(session, chunk, opts.every, opts.times)
  session:finish()
  return code
end


return Repl
