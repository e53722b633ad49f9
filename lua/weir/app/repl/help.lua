-- app/repl/help.lua: what .help says, all of it taken from where it stands: the tables
-- of the commands, the comments above the verbs, the opening comments of the policies'
-- files, the option tables of the connectors.
local Binding = require "weir.app.repl.binding"
local Catalog = require "weir.native.catalog"
local Commands = require "weir.app.repl.commands"
local Docs = require "weir.app.repl.docs"
local Ffi = require "weir.ffi"
local Options = require "weir.app.repl.options"
local Predicate = require "weir.policy.shared.predicate"
local words = require "weir.language.words"

local Help = {}


local function with_heading(heading, doc)
  local lines = { ("%s(%s)"):format(heading, doc.arguments) }
  for _, line in ipairs(doc.block) do lines[#lines + 1] = line end
  return lines
end


--- The names of the verbs, as they stand in the source.
---@return string[]
function Help.verbs()
  return Docs.verbs().names
end


local function verb(name)
  local doc = name ~= "names" and Docs.verbs()[name]
  return doc and with_heading("store:" .. name, doc)
end


-- ---- words and connectors ----

-- What a word of policy files is: most have a file each.
local function word_of_policies(word)
  if word == "policy" then return Docs.opening "weir.language.own" end
  local value = words.find(word)
  if type(value) == "number" then
    return { ("%s: a number of bytes, %d"):format(word, value) }
  end
  if Predicate.words[word] then return Docs.opening "weir.policy.shared.predicate" end
  return Docs.opening("weir.policy." .. word)
end


local function connector(name)
  local info = Catalog.describe(name)
  if not info then return nil end
  local lines = { ("%s { ... }: %s"):format(info.name, info.help) }
  for _, row in ipairs(info.options) do lines[#lines + 1] = Options.line(row) end
  lines[#lines + 1] = "and, as every store:"
  for _, row in ipairs(Catalog.store_options()) do
    lines[#lines + 1] = Options.line(row)
  end
  return lines
end


-- An option of policies: what the policies' comments say.
local function option_of_words(name)
  local lines = {}
  for _, word in ipairs(Options.takers(name)) do
    for _, line in ipairs(word_of_policies(word) or {}) do lines[#lines + 1] = line end
  end
  return #lines > 0 and lines or nil
end


-- ---- commands ----

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


--- Everything that has help, sorted.
---@return string[]
function Help.topics()
  local topics = {}
  for _, list in ipairs { Commands.names(), Help.verbs(), words.names() } do
    for _, name in ipairs(list) do topics[#topics + 1] = name end
  end
  table.sort(topics)
  return topics
end


--- What there is to say about a word: of a command if it begins with a dot; all
--- that is called so otherwise. nil and a suggestion when nothing is.
---@param word string
---@return string[]? lines, string? suggestion
function Help.topic(word)
  local name = word:gsub("^[.:]", ""):gsub("^%-%-", "")
  local all = {}
  local sources = word:find "^%." and { command }
    or { command, verb, word_of_policies, connector, Options.of_stores, option_of_words,
      Options.of_commands }
  for _, source in ipairs(sources) do
    local lines = source(name)
    if lines then
      if #all > 0 then all[#all + 1] = "" end
      for _, line in ipairs(lines) do all[#all + 1] = line end
    end
  end
  if #all > 0 then return all end
  return nil, Ffi.suggest(name, Help.topics())
end


return Help
