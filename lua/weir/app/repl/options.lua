-- app/repl/options.lua: the options of connectors, words, verbs and commands by name,
-- from the tables and comments that stand for them; for .help and completion.
local Catalog = require "weir.native.catalog"
local Commands = require "weir.app.repl.commands"
local Docs = require "weir.app.repl.docs"
local words = require "weir.language.words"

local Options = {}


-- The options of a verb, from the comment that tells their types.
local function of_verb(doc)
  local names = {}
  local types = table.concat(doc.block, " "):match "param opts (%b{})" or ""
  for name in types:gmatch "([%a_][%w_]*):" do names[#names + 1] = name end
  return names
end


local function of_connector(info)
  local names = {}
  for _, rows in ipairs { info.options, Catalog.store_options() } do
    for _, row in ipairs(rows) do names[#names + 1] = row.name end
  end
  return names
end


-- The options of a policy, from its comment.
local function of_policy(word)
  local names = {}
  local comment = table.concat(Docs.opening("weir.policy." .. word) or {}, " ")
  local signature = comment:match("^" .. word .. "%s*(%b{})")
    or comment:match("^" .. word .. "%s*(%b())") or ""
  for name in signature:gmatch "([%a_][%w_]*)%s*=" do names[#names + 1] = name end
  return names
end


--- The names of the options of a connector, word or verb.
---@param word string
---@return string[]
function Options.of(word)
  local verb, info = Docs.verbs()[word], Catalog.describe(word)
  if verb and verb.block then return of_verb(verb) end
  return info and of_connector(info) or of_policy(word)
end


local function default_of(row)
  if row.required then return "required" end
  return row.default and "default " .. row.default or "no default"
end


--- A line about an option of a connector.
function Options.line(row)
  local kind = row.choices and table.concat(row.choices, "|") or row.type
  return ("  %-16s %s (%s, %s)"):format(row.name, row.help, kind, default_of(row))
end


-- The lines, or nil when there are none.
local function some(lines)
  return #lines > 0 and lines or nil
end


--- What stores have under the name of an option: whose it is and what it means.
---@param name string
---@return string[]?
function Options.of_stores(name)
  local lines = {}
  local function look(owner, rows)
    for _, row in ipairs(rows) do
      if row.name == name then
        lines[#lines + 1] = owner .. ":"
        lines[#lines + 1] = Options.line(row)
      end
    end
  end
  for _, other in ipairs(words.connectors()) do
    look(other, Catalog.describe(other).options)
  end
  look("every store", Catalog.store_options())
  return some(lines)
end


--- What commands have under the name of an option.
---@param name string
---@return string[]?
function Options.of_commands(name)
  local lines = {}
  for _, command in ipairs(Commands.names()) do
    for _, row in ipairs(Commands.find(command).options or {}) do
      if row.name == name then
        lines[#lines + 1] = (".%s --%s: %s"):format(command, name, row.help)
      end
    end
  end
  return some(lines)
end


--- The policies' words that take an option of that name.
---@param name string
---@return string[]
function Options.takers(name)
  local list = {}
  for _, word in ipairs(words.names()) do
    for _, option in ipairs(Catalog.describe(word) and {} or of_policy(word)) do
      if option == name then list[#list + 1] = word end
    end
  end
  return list
end


return Options
