-- app/repl/complete/dot.lua: completion of dot commands: their names, and their
-- arguments by the tables that also read them.
local beginning = require "weir.app.repl.complete.beginning"
local Commands = require "weir.app.repl.line.commands"
local Files = require "weir.app.repl.complete.files"
local Keys = require "weir.app.repl.complete.stored_keys"
local Tokens = require "weir.app.repl.line.tokens"
local Topics = require "weir.app.help.topics"


-- Words that an argument may be.
local function words_of(session, row, prefix)
  if row.choices then return row.choices end
  if row.is == "store" then return session.names end
  if row.is == "topic" then return Topics.names() end
  if row.is == "file" then return Files.beginning(prefix) end
  return {}
end


-- Keys that an argument may be, which stand in quotes where they need them.
local function keys_of(row, store, prefix)
  local wanted = row.is == "key" or row.kind == "key" or row.kind == "prefix"
  return store and wanted and Keys.plain(store, prefix) or {}
end


local function options_of(command)
  local list = {}
  for _, row in ipairs(command.options or {}) do list[#list + 1] = "--" .. row.name end
  return list
end


-- The store that the complete words name, or the current one, and how many of them
-- are stores.
local function store_of(session, command, before)
  if not command.stores then return nil, 0 end
  local named = before[1] and session.stores[before[1].text]
  if command.stores == 2 then return named, 2 end
  return named or session:current_store(), named and 1 or 0
end


-- Candidates for the word after some that are complete.
local function argument(session, command, before, typed)
  if typed:find "^%-%-" then return beginning(typed, options_of(command)) end
  if command.stores == 2 and #before < 2 then return beginning(typed, session.names) end
  local store, n = store_of(session, command, before)
  local row = command.arguments[#before + 1 - n] or {}
  local stores = command.stores == 1 and #before == 0 and session.names or {}
  local words = beginning(typed, words_of(session, row, typed), stores)
  return beginning("", words, keys_of(row, store, typed))
end


--- Candidates for the end of a line that is a dot command, and where it begins.
return function(session, line)
  local name, gap, rest = line:match "^%s*%.([%w_]*)(%s*)(.*)$"
  if gap == "" then
    return beginning(name, Commands.names()), #line - #name + 1
  end
  local command = Commands.find(name)
  local all = command and not command.rest and Tokens.split(rest)
  if not all then return {}, 1 end
  local typed = ""
  if rest:find "%S$" and #all > 0 then
    local last = table.remove(all)
    if last.open then
      local store = store_of(session, command, all)
      return store and Keys.quoted(store, last.text, last.quote) or {},
        #line - #last.text + 1
    end
    typed = last.text
  end
  return argument(session, command, all, typed), #line - #typed + 1
end
