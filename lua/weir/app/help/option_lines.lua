-- app/help/option_lines.lua: the options of connectors, words, verbs and commands by
-- name, from the tables that also check them; for .help, `weir words`, `weir
-- connectors` and completion.
local Catalog = require "weir.native.catalog"
local Columns = require "weir.app.show.columns"
local Commands = require "weir.app.repl.line.commands"
local Quantity = require "weir.core.quantity"
local Verbs = require "weir.app.help.verbs"
local Meanings = require "weir.app.help.meanings"

local Options = {}


local function names_of(...)
  local names = {}
  for _, options in ipairs { ... } do
    for _, option in ipairs(options) do names[#names + 1] = option.name end
  end
  return names
end


--- The names of the options of a verb, word or connector.
---@param name string
---@return string[]
function Options.of(name)
  local about, info = Verbs.about(name), Catalog.describe(name)
  if not about and info then return names_of(info.options, Catalog.store_options()) end
  about = about or Meanings.about(name)
  return about and names_of(about.options) or {}
end


-- ---- in words ----

local FORMS = {
  size = Quantity.bytes,
  duration = function(ns) return Quantity.time(ns / 1e9) end,
  integer = tostring,
}


-- What an option takes: "size, 1 MiB to 1 GiB", "s3fifo|lru|sieve".
local function takes(option)
  if option.takes then return option.takes end
  if option.type == "secret" then
    return "secret, or $NAME of an environment variable"
  end
  if option.choices then return table.concat(option.choices, "|") end
  local form = FORMS[option.type]
  if option.max then
    return ("%s, %s to %s"):format(option.type, form(option.min), form(option.max))
  end
  if option.min then
    return ("%s, from %s"):format(option.type, form(option.min))
  end
  return option.type
end


local function default(option)
  return option.required and "required" or option.default or "-"
end


--- What there is to say about an option: its default and its meaning, as texts.
---@param option table
---@return string default, string help
function Options.texts(option)
  return default(option), ("%s (%s)"):format(option.help, takes(option))
end


--- Lines about options: name, default, help and what it takes, one below the other;
--- below an option the values that say what they do.
---@param options table[]
---@return string[]
function Options.lines(options)
  local rows = {}
  for _, option in ipairs(options) do
    rows[#rows + 1] = { "  " .. option.name, Options.texts(option) }
    for _, value in ipairs(option.values and option.choices or {}) do
      rows[#rows + 1] = { "", "", ("  %s: %s"):format(value, option.values[value]) }
    end
  end
  return Columns.lines(rows)
end


-- ---- by the name of an option ----

-- Adds what an owner's options of that name say.
local function look(lines, owner, options, name)
  for _, option in ipairs(options) do
    if option.name == name then
      lines[#lines + 1] = owner .. ":"
      for _, line in ipairs(Options.lines { option }) do lines[#lines + 1] = line end
    end
  end
end


local function of_commands(lines, name)
  for _, command in ipairs(Commands.names()) do
    for _, row in ipairs(Commands.find(command).options or {}) do
      if row.name == name then
        lines[#lines + 1] = (".%s --%s: %s"):format(command, name, row.help)
      end
    end
  end
end


--- What connectors, words, verbs and commands have under the name of an option; nil:
--- nothing.
---@param name string
---@return string[]?
function Options.named(name)
  local lines = {}
  for _, connector in ipairs((Catalog.all())) do
    look(lines, connector.name, connector.options, name)
  end
  look(lines, "every store", Catalog.store_options(), name)
  for _, word in ipairs(Meanings.names()) do
    look(lines, word, Meanings.about(word).options, name)
  end
  for _, verb in ipairs(Verbs.names()) do
    look(lines, "store:" .. verb, Verbs.about(verb).options, name)
  end
  of_commands(lines, name)
  return #lines > 0 and lines or nil
end


return Options
