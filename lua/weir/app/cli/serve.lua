-- weir serve: stores and policies for any client of Redis.
local Exit = require "weir.app.exit"
local Options = require "weir.serve.options"
local Signals = require "weir.signals"
local weir = require "weir"

local Serve = {
  summary = "Serve stores and policies to clients of Redis.",
  description = "Serve stores and policies to clients of Redis (RESP2, RESP3). Each "
    .. "store is a database of SELECT. Every option may also come from the "
    .. "environment: WEIR_SERVE_LISTEN stands for --listen, WEIR_SERVE_STORE for the "
    .. "stores; lists have blanks between. SIGHUP reads policy files again. SIGTERM "
    .. "stops accepting, answers what is under way and closes the stores; a second one "
    .. "ends at once.",
}


function Serve.define(command)
  command:argument "store"
    :description "A policy file (kv.lua), a URL (fs:///var/cache) or a connector."
    :args "*"
  for _, row in ipairs(Options.rows) do
    local name, kind, default, argname, help = unpack(row, 1, 5)
    if kind == "flag" then
      command:flag("--" .. name):description(help)
    else
      local text = help .. (default and " Default: " .. default .. "." or "")
      local option = command:option("--" .. name):argname(argname):description(text)
      if kind == "list" then
        option:count "*"
      else
        option:convert(function(word) return Options.read(row, word) end)
      end
    end
  end
end


-- The value of an option: from the command line, the environment, or nil.
local function value_of(row, given)
  if given ~= nil and not (type(given) == "table" and #given == 0) then return given end
  local variable = Options.variable(row[1])
  local text = os.getenv(variable)
  if not text then return nil end
  local value, err = Options.read(row, text)
  if err then Exit.fail(Exit.USAGE, "%s: %s", variable, err) end
  return value
end


-- The first line of the file that an option names: a password. A folder opens, too, and
-- then does not read.
local function read_password(option, path)
  local line
  local file, err = io.open(path)
  if file then
    line, err = file:read "*l"
    file:close()
    if err then err = path .. ": " .. err end
  end
  if err then
    Exit.fail(Exit.ERROR, "--%s: cannot read the password: %s", option, err)
  end
  if not line or line == "" then
    Exit.fail(Exit.ERROR, "--%s: expected a password in the first line of %s", option,
      path)
  end
  return line
end


-- Fails for what would be ignored in silence.
local function check_ignored(options)
  local name, near = Options.misspelt()
  if name then
    Exit.fail(Exit.USAGE, "%s: no such option; did you mean %s?", name, near)
  end
  if options.announce and options.processes == 1 then
    Exit.fail(Exit.USAGE, "--announce is what clients of several processes are told: "
      .. "it needs --processes 2 or more")
  end
end


local function options_of(args)
  local options = {}
  for _, row in ipairs(Options.rows) do
    local field = Options.field(row[1])
    options[field] = value_of(row, args[field])
  end
  if options.password_file then
    options.password = read_password("password-file",
      options.password_file)
  end
  if options.admin_password_file then
    options.admin_password = read_password("admin-password-file",
      options.admin_password_file)
  end
  return options
end


local function targets_of(args)
  if #args.store > 0 then return args.store end
  local targets = {}
  for word in (os.getenv "WEIR_SERVE_STORE" or ""):gmatch "%S+" do
    targets[#targets + 1] = word
  end
  if #targets == 0 then
    Exit.fail(Exit.USAGE, "expected a store: a policy file, a URL or a connector")
  end
  return targets
end


local function open_all(targets, params)
  local Opened = require "weir.app.explore.opened"
  Exit.params(params or {})
  local stores = {}
  for i, target in ipairs(targets) do
    local good, store = pcall(Opened.open, target)
    if not good then Exit.fail(Exit.ERROR, "%s", tostring(store)) end
    stores[i] = store
  end
  Exit.params_used()
  return stores
end


-- The number of this process, when there are several.
local number

-- A line is one write: several processes have the same stderr.
local function say(format, ...)
  local who = number and ("weir serve: process %d: "):format(number) or "weir serve: "
  io.stderr:write(who .. format:format(...) .. "\n")
end


-- SIGHUP reads the policy files again. SIGTERM and Ctrl-C end; a second one at once.
local function watch_signals(server, reload)
  Signals.on("HUP", reload)
  for _, name in ipairs { "TERM", "INT" } do
    Signals.on(name, function()
      server:stop()
      return true
    end)
  end
end


-- Calls fn; what it raises ends the command.
local function try(fn, ...)
  local good, result = pcall(fn, ...)
  if not good then Exit.fail(Exit.ERROR, "%s", tostring(result)) end
  return result
end


-- Serves in this process. socket: to the supervisor, if there is one.
local function serve(targets, options, socket)
  local Ready = require "weir.serve.ready"
  local Server = require "weir.serve"
  if not socket then try(Ready.check, options) end
  local stores = open_all(targets, options.set)
  function options.say(sentence) say("%s", sentence) end
  local server = try(Server.new, stores, options)
  watch_signals(server, function()
    local good, err = server:reload()
    say("%s", good and "reloaded" or "not reloaded: " .. err)
  end)
  if socket then
    local Process = require "weir.serve.process"
    Process.when_alone(socket, function() server:stop() end)
    Process.tell(socket)
  else
    for _, address in ipairs(server:addresses()) do say("ready at %s", address) end
    Ready.tell(server)
  end
  server:run()
  if not socket then Ready.tell_stopping(server) end
  server:close()
  return Exit.OK
end


-- Starts the processes that serve, and keeps them.
local function supervise(options)
  local Ready = require "weir.serve.ready"
  local Supervisor = require "weir.serve.supervisor"
  if options.errors == "short" then
    Exit.fail(Exit.USAGE, "--errors short is for a client that knows no MOVED: it "
      .. "needs a server of one process")
  end
  try(Ready.check, options)
  Ready.keep(options)
  local supervisor = try(Supervisor.new, options, say)
  watch_signals(supervisor, function() supervisor:reload() end)
  return supervisor:run()
end


-- Options as one of several processes has them.
local function options_of_child(options)
  local place, addresses, socket = require("weir.serve.process").mine()
  options.cluster, options.listen, number = place, addresses, place.self + 1
  return options, socket
end


function Serve.run(args)
  local targets, options = targets_of(args), options_of(args)
  local complete = Options.complete(options)
  check_ignored(complete)
  if complete.processes == 1 then return weir.run(serve, targets, options) end
  if not os.getenv "WEIR_SERVE_PROCESS" then return weir.run(supervise, complete) end
  return weir.run(serve, targets, options_of_child(options))
end


return Serve
