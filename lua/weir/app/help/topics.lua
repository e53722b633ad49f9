-- app/help/topics.lua: what .help and `weir words` say about a name, all of it from
-- tables: those of the commands, of the verbs, of the words of policy files, and the
-- option tables of the connectors.
local Binding = require "weir.app.repl.line.binding"
local Catalog = require "weir.native.catalog"
local Commands = require "weir.app.repl.line.commands"
local Ffi = require "weir.ffi"
local Options = require "weir.app.help.option_lines"
local Verbs = require "weir.app.help.verbs"
local words = require "weir.language.words"
local Meanings = require "weir.app.help.meanings"

local Topics = {}


-- A heading, indented lines, the options.
local function described(heading, texts, options)
  local lines = { heading }
  for _, text in ipairs(texts) do lines[#lines + 1] = "  " .. text end
  if #options > 0 then lines[#lines + 1] = "options:" end
  for _, line in ipairs(Options.lines(options)) do lines[#lines + 1] = line end
  return lines
end


local function verb(name)
  local about = Verbs.about(name)
  return about and described(("store:%s(%s)"):format(name, about.arguments),
    { about.help, "returns " .. about.returns }, about.options)
end


local function word(name)
  local about = Meanings.about(name)
  if about then
    return described(name .. ": " .. about.help, { "example: " .. about.example },
      about.options)
  end
  local value = words.find(name)
  if type(value) == "number" then
    return { ("%s: a number of bytes, %d"):format(name, value) }
  end
  if name == "open" then
    return { "open: Opens a store by its URL or by the name of a connector.",
      '  example: open "redis://kv.internal?db=2"' }
  end
end


--- Lines about a connector: its options, and how to see those of every store.
---@param info table of catalog.lua
---@return string[]
function Topics.connector(info)
  local lines = { ("%s: %s"):format(info.name, info.help),
    "operations: " .. table.concat(info.ops, " ") }
  if #info.schemes > 0 then
    lines[#lines + 1] = "further URL schemes: " .. table.concat(info.schemes, " ")
  end
  lines[#lines + 1] = "options beside those of weir connectors --common:"
  for _, line in ipairs(Options.lines(info.options)) do lines[#lines + 1] = line end
  return lines
end


local function connector(name)
  local info = Catalog.describe(name)
  return info and Topics.connector(info)
end


local function command(name)
  local found = Commands.find(name)
  if not found then return nil end
  local lines = { Binding.usage(found), found.description or found.summary }
  for _, rows in ipairs { found.arguments, found.options or {} } do
    for _, row in ipairs(rows) do
      local mark = rows == found.options and "--" or ""
      lines[#lines + 1] = ("  %-12s %s"):format(mark .. row.name, row.help)
    end
  end
  return lines
end


--- All names that have help, sorted.
---@return string[]
function Topics.names()
  local names = {}
  for _, list in ipairs { Commands.names(), Verbs.names(), words.names() } do
    for _, name in ipairs(list) do names[#names + 1] = name end
  end
  table.sort(names)
  return names
end


--- The lines about a name: of a command if it begins with a dot, else of everything
--- that has this name. nil and a suggestion: nothing has it.
---@param text string
---@return string[]? lines, string? suggestion
function Topics.about(text)
  local name = text:gsub("^[.:]", ""):gsub("^%-%-", "")
  local all = {}
  local sources = text:find "^%." and { command }
    or { command, verb, word, connector, Options.named }
  for _, source in ipairs(sources) do
    local lines = source(name)
    if lines and #all > 0 then all[#all + 1] = "" end
    for _, line in ipairs(lines or {}) do all[#all + 1] = line end
  end
  if #all > 0 then return all end
  return nil, Ffi.suggest(name, Topics.names())
end


return Topics
