-- The weir command: reads the arguments, runs one subcommand, answers with an
-- exit code. Called by the script `weir` (cli/command).
--
-- A subcommand is a word below and a table: that of a command that looks into stores
-- (app/explore.lua), else app/cli/NAME.lua, with
--   summary    one line for `weir --help`
--   define     function(command): adds arguments and options to argparse's command
--   run        function(args, commands, parser): does it and returns an exit code, or
--              raises Exit's. The last two are all subcommands, and argparse's parser
--   passes_on  true: the words after the first argument are passed on unread
--   valued     of one that passes on: the options that take a value, as a set
--   cleans_up  true: Ctrl-C is an error in run, which ends what it has started
local argparse = require "argparse"
local Blame = require "weir.core.blame"
local Exit = require "weir.app.exit"
local Explore = require "weir.app.explore"
local Ffi = require "weir.ffi"
local explored = require "weir.app.cli.explored"
local Signals = require "weir.signals"
local Terminal = require "weir.app.terminal"
local Value = require "weir.core.value"

local Cli = {}

-- In the order of the help.
local NAMES = {
  "run", "repl", "serve", "get", "set", "rm", "ls", "stat", "head", "hex", "du", "big",
  "diff", "cp", "where", "explain", "trace", "tree", "stats", "lat", "watch", "check",
  "connectors", "words", "replay", "sweep", "bench", "completion", "manual",
}


-- `weir ls` does more than .ls: it has a file of its own.
local function find(name)
  local explore = name ~= "ls" and Explore.find(name)
  return explore and explored(explore) or require("weir.app.cli." .. name)
end


-- The subcommands, in the order of the help and by name.
local function all_commands()
  local commands = {}
  for i, name in ipairs(NAMES) do
    local command = find(name)
    command.name = name
    commands[i], commands[name] = command, command
  end
  return commands
end


local function version()
  local ffi = require "ffi"
  local C = require("weir.ffi").C
  return ("weir %s (ABI %d)"):format(ffi.string(C.weir_version()), tonumber(C.WEIR_ABI))
end


-- Prints the text of a flag such as --version, and exits.
local function only_print(text)
  print(text)
  if Terminal.written() then os.exit(Exit.OK) end
  Exit.complain(Exit.CUT)
  os.exit(Exit.ERROR)
end


local function add_help(parser)
  return parser:add_help {
    "-h --help", description = "Show this help and exit.",
    action = function() only_print(parser:get_help()) end,
  }
end


-- Lets the sentence about a bad word begin with the option or argument that it was for.
local function name_elements(elements, name)
  for _, element in ipairs(elements) do
    local convert = element._convert
    if type(convert) == "function" then
      element:convert(function(word)
        local value, err = convert(word)
        if value == nil and err then err = name(element) .. ": " .. err end
        return value, err
      end)
    end
  end
end


local function name_what_is_wrong(command)
  name_elements(command._options, function(option)
    return option._public_aliases[#option._public_aliases]
  end)
  name_elements(command._arguments, function(argument) return argument._name end)
end


-- The parser of the whole command. Help and completions are made from it.
local function make_parser(commands)
  local parser = argparse "weir"
    :description "Reads, writes and scripts stores: memory, files, Redis, or a policy."
    :epilog(Exit.HELP)
    :command_target "command"
    :help_max_width(80)
  add_help(parser)
  parser:flag "--version"
    :description "Show the version and exit."
    :action(function() only_print(version()) end)
  for _, command in ipairs(commands) do
    local sub = parser:command(command.name)
      :summary(command.summary)
      :description(command.description or command.summary)
    command.define(add_help(sub))
    name_what_is_wrong(sub)
  end
  return parser
end


-- argparse takes a negative number for an option. Here it is the value of the option
-- before it, which says what it expects instead.
local function join_negative_numbers(words)
  local joined, ended = {}, false
  for _, word in ipairs(words) do
    ended = ended or word == "--"
    if not ended and word:find "^%-%.?%d"
      and (joined[#joined] or ""):find "^%-%-%l[%w-]*$" then
      joined[#joined] = joined[#joined] .. "=" .. word
    else
      joined[#joined + 1] = word
    end
  end
  return joined
end


-- Returns the words that argparse reads, and those that are passed on: all after the
-- first word that follows the name of a command that passes on.
local function split(argv, commands)
  local words, rest = {}, nil
  local command = commands[argv[1]]
  for i = 1, #argv do
    if rest then
      rest[#rest + 1] = argv[i]
    else
      words[i] = argv[i]
      local is_value = command and command.valued and command.valued[argv[i - 1]]
      if command and command.passes_on and i > 1 and not is_value
        and not argv[i]:find "^%-." then
        rest = {}
      end
    end
  end
  return join_negative_numbers(words), rest or {}
end


-- Advice for a script that uses a word as policy files do.
local function out_of_scope(message)
  local name = message:match "global '([%w_]+)' %(a nil value%)$"
  if not name or not require("weir.language.words").find(name) then return "" end
  return ("; write weir.%s, or open the file as a policy: weir repl FILE"):format(name)
end


-- An error as a sentence and an exit code. A string is a bug, or misuse by a script: it
-- keeps its place in the source, with the calls of the script that led there. A bug of
-- weir's own shows all calls.
local function failure(err)
  if Exit.is(err) then return err end
  if Signals.is(err) then return { exit = Exit.SIGNALED + err.number } end
  if tostring(err):find "interrupted!$" then
    return { exit = Exit.INTERRUPTED, message = "interrupted" }
  end
  if type(err) == "table" and Blame.is_message(err) then
    return { exit = Exit.ERROR, message = tostring(err), code = rawget(err, "code"),
      store = rawget(err, "store") }
  end
  local message = Blame.sentence(err)
  message = message .. Value.advice(message) .. out_of_scope(message)
  if err ~= Blame.OVERFLOW then
    local frames = Blame.trace(err)
    message = frames and message .. "\n" .. frames or debug.traceback(message, 2)
  end
  return { exit = Exit.ERROR, message = message }
end


-- `weir help NAME` is `weir NAME --help`.
local function without_help(argv)
  if argv[1] ~= "help" then return argv end
  return { argv[2] or "--help", argv[2] and "--help" }
end


-- What a word that is no command may mean, beside the commands that argparse suggests.
local MEANT = { help = "help", version = "--version" }

-- What other programs call it.
local CALLED = {
  del = "rm", delete = "rm", remove = "rm", put = "set", keys = "ls", list = "ls",
  scan = "ls", info = "stats", copy = "cp", shell = "repl", explore = "repl",
}

-- The message of argparse, with a hint at the command or the -- that may be missing.
local function meant(message)
  local word = message:match "^unknown command '([^'\n]*)'$"
  local near = word and Ffi.nearest(word:lower(), { "help", "version" })
  local name = word and CALLED[word:lower()] or MEANT[near]
  if name then return ("%s\nDid you mean '%s'?"):format(message, name) end
  if message:find "^unknown option '%-[^-]" then
    return message .. "\nA key or value that begins with - comes after --"
  end
  return message
end


-- Whether programs read the output, also of a command line that is wrong.
local function wants_json(words)
  for _, word in ipairs(words) do
    if word == "--json" then return true end
  end
  return false
end


-- Prints an error: for people on stderr, with --json for programs on stdout, too.
local function say(err, command, json)
  if not err.message then return err.exit end
  Exit.complain(err.message .. (err.hint or ""), command)
  if json and err.message ~= Exit.CUT then Exit.report(err) end
  return err.exit
end


--- main runs the command line and returns the exit code.
---@param argv string[]
---@return integer
function Cli.main(argv)
  Terminal.fill_standard()
  local make_error = Terminal.end_by_interrupt()
  local commands = all_commands()
  argv = without_help(argv)
  local words, rest = split(argv, commands)
  local json = wants_json(words)
  local parser = make_parser(commands)
  local good, args = parser:pparse(words)
  if not good then
    local command = commands[argv[1]] and argv[1]
    local about = command and " " .. command or ""
    local hint = ("\nTry: weir%s --help"):format(about)
    return say({ exit = Exit.USAGE, message = meant(args), hint = hint }, command, json)
  end
  args.rest = rest
  if commands[args.command].cleans_up then make_error() end
  local ok, code = xpcall(commands[args.command].run, failure, args, commands, parser)
  local written = Terminal.written()
  if ok and written then
    return code or Exit.OK
  end
  local err = ok and { exit = Exit.ERROR, message = Exit.CUT } or code
  -- LuaJIT has not called `failure` when memory was short.
  if type(err) ~= "table" then err = { exit = Exit.ERROR, message = tostring(err) } end
  return say(err, args.command, json)
end


return Cli
