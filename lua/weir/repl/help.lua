-- help.lua: what .help says, all of it taken from where it stands: the tables of
-- the commands, the comments above the verbs, the opening comments of the policies'
-- files, the option tables of the connectors.
local Binding = require "weir.repl.binding"
local Catalog = require "weir.catalog"
local Commands = require "weir.repl.commands"
local Docs = require "weir.repl.docs"
local Ffi = require "weir.ffi"
local Predicate = require "weir.parts.predicate"
local words = require "weir.words"

local Help = {}


local function with_heading(heading, doc)
  local lines = { ("%s(%s)"):format(heading, doc.arguments) }
  for _, line in ipairs(doc.block) do lines[#lines + 1] = line end
  return lines
end


local verb_docs

local function verbs()
  if not verb_docs then
    verb_docs = Docs.of("weir.store", "^function Store:(%w[%w_]*)%((.*)%)")
    local many = Docs.of("weir.many", "^function Many:(%w[%w_]*)%((.*)%)")
    for _, name in ipairs(many.names) do
      table.insert(verb_docs.names, name)
      verb_docs[name] = many[name]
    end
  end
  return verb_docs
end


--- The names of the verbs, as they stand in the source.
---@return string[]
function Help.verbs()
  return verbs().names
end


local function verb(name)
  local doc = name ~= "names" and verbs()[name]
  return doc and with_heading("store:" .. name, doc)
end


-- ---- words and connectors ----

-- What a word of policy files is: most have a file each.
local function word_of_policies(word)
  if word == "policy" then return Docs.opening "weir.parts.custom" end
  local value = words.find(word)
  if type(value) == "number" then
    return { ("%s: a number of bytes, %d"):format(word, value) }
  end
  if Predicate.words[word] then return Docs.opening "weir.parts.predicate" end
  return Docs.opening("weir.policy." .. word)
end


--- The names of the options of a word, from its table or its comment.
---@param word string
---@return string[]
function Help.options(word)
  local names = {}
  local info = Catalog.describe(word)
  if info then
    for _, rows in ipairs { info.options, Catalog.store_options() } do
      for _, row in ipairs(rows) do names[#names + 1] = row.name end
    end
    return names
  end
  local comment = table.concat(Docs.opening("weir.policy." .. word) or {}, " ")
  local signature = comment:match("^" .. word .. "%s*(%b{})")
    or comment:match("^" .. word .. "%s*(%b())") or ""
  for name in signature:gmatch "([%a_][%w_]*)%s*=" do names[#names + 1] = name end
  return names
end


local function default_of(row)
  if row.required then return "required" end
  return row.default and "default " .. row.default or "no default"
end


local function option_line(row)
  local kind = row.choices and table.concat(row.choices, "|") or row.type
  return ("  %-16s %s (%s, %s)"):format(row.name, row.help, kind, default_of(row))
end


local function connector(name)
  local info = Catalog.describe(name)
  if not info then return nil end
  local lines = { ("%s { ... }: %s"):format(info.name, info.help) }
  for _, row in ipairs(info.options) do lines[#lines + 1] = option_line(row) end
  lines[#lines + 1] = "and, as every store:"
  for _, row in ipairs(Catalog.store_options()) do
    lines[#lines + 1] = option_line(row)
  end
  return lines
end


-- An option by its name alone: whose it is and what it means.
local function option(name)
  local lines = {}
  local function look(owner, rows)
    for _, row in ipairs(rows) do
      if row.name == name then
        lines[#lines + 1] = owner .. ":"
        lines[#lines + 1] = option_line(row)
      end
    end
  end
  for _, other in ipairs(words.connectors()) do
    look(other, Catalog.describe(other).options)
  end
  look("every store", Catalog.store_options())
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
  local name = word:gsub("^[.:]", "")
  local all = {}
  local sources = word:find "^%." and { command }
    or { command, verb, word_of_policies, connector, option }
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
