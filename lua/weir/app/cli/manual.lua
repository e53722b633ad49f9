-- weir manual: the page weir.1, made of the same definitions as the help of the
-- subcommands and of the session.
local Binding = require "weir.app.repl.line.binding"
local Catalog = require "weir.native.catalog"
local Commands = require "weir.app.repl.line.commands"
local Exit = require "weir.app.exit"
local Options = require "weir.app.help.option_lines"

local Command = {
  summary = "Write the manual page weir(1) to stdout.",
}


function Command.define() end


-- A subcommand's arguments and options, as it declares them to argparse: { kind, name,
-- description, ... }.
local function recorded(command)
  local list = {}
  local function record(kind)
    return function(_, name)
      local element = { kind = kind, name = name }
      list[#list + 1] = element
      return setmetatable({}, {
        __index = function(_, property)
          return function(self, value)
            element[property] = value
            return self
          end
        end,
      })
    end
  end
  command.define {
    argument = record "argument", option = record "option", flag = record "flag",
  }
  return list
end


-- ---- roff ----

local function escaped(text)
  return (text:gsub("\\", "\\e"):gsub("%-", "\\-"):gsub("^([.'])", "\\&%1")
    :gsub("\n([.'])", "\n\\&%1"))
end


local function bold(text)
  return "\\fB" .. escaped(text) .. "\\fR"
end


local function item(label, text)
  return ".TP\n" .. label .. "\n" .. escaped(text)
end


local function argument_form(element)
  local name = element.argname or "<" .. element.name .. ">"
  local optional = element.args == "?" or element.args == "*"
  local many = element.args == "*" or element.args == "+"
  local form = name .. (many and "..." or "")
  return optional and "[" .. form .. "]" or form
end


local function option_form(element)
  local value = element.kind == "option" and " " .. (element.argname or "<value>") or ""
  return element.name:gsub(" ", ", ") .. value
end


local function form_of(element)
  return element.kind == "argument" and argument_form(element) or option_form(element)
end


local function synopsis(command, elements)
  local parts = { "weir " .. command.name }
  local options = false
  for _, element in ipairs(elements) do
    options = options or element.kind ~= "argument"
  end
  if options then parts[#parts + 1] = "[<options>]" end
  for _, element in ipairs(elements) do
    if element.kind == "argument" then parts[#parts + 1] = argument_form(element) end
  end
  return table.concat(parts, " ")
end


local function subcommand(out, command)
  local elements = recorded(command)
  out(".SS " .. bold(synopsis(command, elements)))
  out(escaped(command.description or command.summary))
  for _, element in ipairs(elements) do
    out(item(bold(form_of(element)), element.description or ""))
  end
end


-- ---- the page ----

local DESCRIPTION = [[
weir reads, writes and scripts stores: values in memory, in files, in Redis, or
behind a policy that is written in Lua. A store is named by a URL
(fs:///var/cache?sync=data, redis://host:6379/0), by a connector's name, or by the
path of a policy file. prod=true among a URL's options makes every change of that
store ask first. Without a terminal such a change is refused.]]

local SESSION = [[
weir repl reads Lua and commands that begin with a dot. It prints the values of
expressions. A statement may have several lines. A line that ends in & runs in the
background. _ is the last result. Tab completes names, verbs, options and keys, Ctrl\-R
searches the history, Ctrl\-C cancels the running line, Ctrl\-D ends the session. A word
in quotes is read as Lua reads a string. The commands:]]

local STORES = [[
A store has options, in its URL (fs:///var/cache?capacity=10GiB&sync=data) or in a
table. Sizes are written 64KiB or 1.5GB, times 50ms, 2s or 12h. The options by
connector, with their defaults:]]

local SECRETS = [[
A password need not be a part of the command line. In place of any secret option, of
which "weir connectors NAME" tells, a URL or a policy file has one of these:]]

local SECRET_FORMS = {
  { "password=$NAME", "The value of the environment variable NAME. Quote the URL, so "
    .. "that the shell leaves it: 'redis://h?password=$REDIS_PASSWORD'. A password "
    .. "that itself begins with a $ is written with two." },
  { "password_file=PATH", "The first line of the file, without its newline. The file "
    .. "is read when the store is opened. It may be a pipe, as <(command) makes one." },
}

local SECRETS_END = [[
weir overwrites passwords in its command line when it starts, so that ps does not show
them. They can be seen for some milliseconds before. Messages repeat nothing between ://
and @ of a URL.]]

local ENVIRONMENT = {
  { "NO_COLOR", "If it is set and not empty, nothing is coloured." },
  { "WEIR_CONNECTORS", "A folder with further connectors." },
  { "XDG_STATE_HOME", "Where weir/history, the lines of earlier sessions, is kept; "
    .. "~/.local/state by default. Lines with a password are not." },
}


local function options(out, title, list)
  out(".SS " .. bold(title))
  for _, option in ipairs(list) do
    local default, help = Options.texts(option)
    -- Blanks let a line of many choices break.
    help = help:gsub("|", " | ")
    out(item(("%s (%s)"):format(bold(option.name), escaped(default)), help))
  end
end


-- The options of stores, from the tables of the connectors.
local function stores(out)
  out(".SH STORES\n" .. escaped(STORES))
  for _, info in ipairs((Catalog.all())) do
    options(out, ("%s: %s"):format(info.name, info.help), info.options)
  end
  options(out, "every store", Catalog.store_options())
end


local function page(out, commands)
  out '.TH WEIR 1 "" weir "User Commands"'
  out ".SH NAME\nweir \\- read, write and script stores"
  out ".SH SYNOPSIS\n.B weir\n<command> [<options>] ..."
  out(".SH DESCRIPTION\n" .. escaped(DESCRIPTION))
  out ".SH COMMANDS"
  for _, command in ipairs(commands) do subcommand(out, command) end
  out(".SH SESSION\n" .. SESSION)
  for _, name in ipairs(Commands.names()) do
    local command = Commands.find(name)
    out(item(bold(Binding.usage(command)), command.description or command.summary))
  end
  stores(out)
  out(".SH SECRETS\n" .. escaped(SECRETS))
  for _, row in ipairs(SECRET_FORMS) do out(item(bold(row[1]), row[2])) end
  out(".PP\n" .. escaped(SECRETS_END))
  out(".SH EXIT STATUS\n" .. escaped(Exit.HELP))
  out ".SH ENVIRONMENT"
  for _, row in ipairs(ENVIRONMENT) do out(item(bold(row[1]), row[2])) end
end


function Command.run(_, commands)
  page(print, commands)
  return Exit.OK
end


return Command
