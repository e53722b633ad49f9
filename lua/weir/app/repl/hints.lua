-- app/repl/hints.lua: suggests a line for plain words as they are typed in a shell or
-- in redis-cli: `ls user:`, `get k`, `exit`. For lines that are no Lua or do nothing.
local Commands = require "weir.app.repl.line.commands"
local Literal = require "weir.app.show.literal"

local Hints = {}

-- Words of other tools, by the command that does the same.
local COMMANDS = { exit = "quit", ["?"] = "help", keys = "ls" }

local VERBS = { get = "get", set = "set", exists = "exists", delete = "delete",
  del = "delete", rm = "delete" }


local function as_command(name, rest)
  if rest == "" or rest:find "^%(" then return "." .. name end
  return ("." .. name .. " " .. rest)
end


local function quoted(word)
  return word:find "^[\"']" and word or Literal.quote(word)
end


local function as_verb(session, verb, rest)
  local call = (session.current or "store") .. ":" .. verb
  if rest:find "^[\"'(]" then return call .. rest:gsub("^[\"']", " %0") end
  local arguments = {}
  for word in rest:gmatch "%S+" do arguments[#arguments + 1] = quoted(word) end
  if #arguments == 0 then arguments[1] = '"key"' end
  if #arguments == 1 then return call .. " " .. arguments[1] end
  return ("%s(%s)"):format(call, table.concat(arguments, ", "))
end


--- A suggestion for a line: "; did you mean .ls user:?", or nothing.
---@param session weir.Session
---@param text string
---@return string
function Hints.of(session, text)
  local word, rest = text:match "^%s*([%a?]+)%s*([^\n]-)%s*$"
  -- A line that goes on with an operator was meant as Lua.
  if not word or rest:find "^[=<>~+,]" then return "" end
  local name = COMMANDS[word] or Commands.find(word) and word
  local meant
  if name then
    meant = as_command(name, rest)
  elseif VERBS[word] then
    meant = as_verb(session, VERBS[word], rest)
  end
  return meant and ("; did you mean %s?"):format(meant) or ""
end


--- The same for a line of a single word that has no value.
---@return string? hint
function Hints.of_word(session, text)
  local word = text:match "^%s*[%a]+%s*$"
  local hint = word and Hints.of(session, word) or ""
  if hint ~= "" then return (hint:gsub("^; d", "D")) end
end


--- Whether a line is plain words with the pattern *, and not half a product.
---@return boolean
function Hints.is_pattern(session, text)
  local word = text:match "^%s*(%a+)%s+%*%s*$"
  return word ~= nil and session.env[word] == nil and Hints.of(session, text) ~= ""
end


return Hints
