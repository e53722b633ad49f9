-- app/repl/complete/lua.lua: completion of Lua: names, verbs after a colon, fields
-- after a dot, options inside the braces of a word, keys inside the quotes of a verb.
local beginning = require "weir.app.repl.complete.beginning"
local Guard = require "weir.app.explore.guard"
local Keys = require "weir.app.repl.complete.stored_keys"
local Options = require "weir.app.help.option_lines"
local Store = require "weir.core.store"
local Verbs = require "weir.app.help.verbs"
local words = require "weir.language.words"

local KEYWORDS = {
  "and", "break", "do", "else", "elseif", "end", "false", "for", "function", "if",
  "in", "local", "nil", "not", "or", "repeat", "return", "then", "true", "until",
  "while",
}


local function keys_of(t)
  local list = {}
  for key in pairs(t) do
    if type(key) == "string" and key:find "^[%a_][%w_]*$" then list[#list + 1] = key end
  end
  return list
end


-- The quote of a string that is open at the end of a line, and where it begins.
local function open_string(line)
  local quote, from
  local i = 1
  while i <= #line do
    local char = line:sub(i, i)
    if quote and char == "\\" then
      i = i + 1
    elseif char == quote then
      quote = nil
    elseif not quote and (char == '"' or char == "'") then
      quote, from = char, i
    end
    i = i + 1
  end
  return quote, from
end


-- The value of a.b.c, looked up without calling anything; nil if a part is missing.
local function lookup(session, path)
  local value = session.stores[path:match "^[%a_][%w_]*"]
  local first = true
  for name in path:gmatch "[%a_][%w_]*" do
    if first then
      value = value or session.variables[name] or rawget(_G, name)
      first = false
    else
      value = type(value) == "table" and not Guard.is(value) and rawget(value, name)
    end
  end
  return value
end


local function in_string(session, line, quote, from)
  local head = line:sub(1, from - 1):gsub('"[^"]*"', ""):gsub("'[^']*'", "")
  local path = head:match "([%a_][%w_.]*)%s*:%s*[%a_][%w_]*[^:]*$"
  local store = path and lookup(session, path)
  if not Store.is(store) then return {}, 1 end
  return Keys.quoted(store, line:sub(from + 1), quote), from + 1
end


-- The word or verb whose table of options is open at the end of the line, if one is.
local function open_table(line)
  local depth = 0
  for i = #line, 1, -1 do
    local char = line:sub(i, i)
    if char == "}" then depth = depth + 1 end
    if char == "{" then
      if depth == 0 then
        local head = line:sub(1, i - 1)
        return head:match "([%a_][%w_]*)%s*%(?%s*$"
          or head:match ":%s*([%a_][%w_]*)%s*%(.*,%s*$"
      end
      depth = depth - 1
    end
  end
end


local function names(session, typed)
  return beginning(typed, session.names, keys_of(session.variables), words.names(),
    keys_of(_G), KEYWORDS)
end


--- Candidates for the end of a line of Lua, and where it begins.
return function(session, line)
  local quote, from = open_string(line)
  if quote then return in_string(session, line, quote, from) end
  local typed = line:match "[%w_]*$"
  local start = #line - #typed + 1
  local head = line:sub(1, start - 1)
  if head:find ":%s*$" then
    return beginning(typed, Verbs.names(), words.names()), start
  end
  local path = head:match "([%a_][%w_.]*)%.$"
  if path == "weir" then
    return beginning(typed, words.names(), keys_of(session.variables.weir)), start
  end
  if path then
    local value = lookup(session, path)
    local fields = type(value) == "table" and not Guard.is(value) and keys_of(value)
    return fields and beginning(typed, fields) or {}, start
  end
  local word = open_table(head)
  local options = word and not head:find "=%s*$" and Options.of(word) or {}
  if #options > 0 then
    local list = beginning(typed, options)
    for i, name in ipairs(list) do list[i] = name .. " = " end
    if #list > 0 then return list, start end
  end
  return names(session, typed), start
end
