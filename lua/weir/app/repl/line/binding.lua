-- app/repl/line/binding.lua: turns the words of a dot command's line into its
-- arguments, by its table. The stores come first (the current one when none is named),
-- then what the table lists. --options may stand anywhere.
local Ffi = require "weir.ffi"
local Kinds = require "weir.app.explore.kinds"

local Binding = {}


local function fail(command, format, ...)
  error(("." .. command.name .. ": " .. format):format(...), 0)
end


local function names_of(rows)
  local names = {}
  for i, row in ipairs(rows) do names[i] = row.name end
  return names
end


local function option_row(command, name)
  for _, row in ipairs(command.options or {}) do
    if row.name == name then return row end
  end
  fail(command, "no option --%s%s", name,
    Ffi.suggest(name, names_of(command.options or {})))
end


local function convert(command, row, text)
  local value, why = Kinds.reader(row)(text)
  if value == nil then fail(command, "%s: %s", row.name, why) end
  return value
end


-- Reads --name, --name=value and --name value. The other words stay. A command whose
-- words are plain has no options.
local function take_options(command, words, args)
  local rest, i = {}, 1
  while i <= #words do
    local word = words[i]
    local name, value = word.text:match "^%-%-([%w-]+)=?(.*)$"
    if name and not word.quoted and not command.plain then
      local row = option_row(command, name)
      if row.kind and value == "" then
        i = i + 1
        value = words[i] and words[i].text or fail(command, "--%s needs a value", name)
      end
      args[name] = row.kind and convert(command, row, value) or not row.kind
    else
      rest[#rest + 1] = word
    end
    i = i + 1
  end
  return rest
end


local function is_required(row)
  return row.default == nil and not row.optional
end


-- How many arguments must be given, of those that come after the i-th.
local function required(command, i)
  local n = 0
  for j = i + 1, #command.arguments do
    if is_required(command.arguments[j]) then n = n + 1 end
  end
  return n
end


local function named_store(session, word)
  return word and not word.quoted and session.stores[word.text] or nil
end


local function must_be_store(command, session, word, what)
  if not word then fail(command, "needs %s", what) end
  local store = session.stores[word.text]
  if store then return store end
  fail(command, "no store is called %s%s", word.text,
    Ffi.suggest(word.text, session.names))
end


local function take_stores(command, session, words, args)
  local n = command.stores or 0
  if n == 2 then
    args.store = must_be_store(command, session, words[1], "two stores")
    args.other = must_be_store(command, session, words[2], "a second store")
    table.remove(words, 1)
    table.remove(words, 1)
  elseif n == 1 then
    args.store = #words > required(command, 0) and named_store(session, words[1])
    if args.store then
      table.remove(words, 1)
    else
      args.store = session:current_store()
        or fail(command, "there is no store; .open one")
    end
  end
end


-- One that need not be given is left out when the words are only enough for those
-- after it: ".open [name] target".
local function take_arguments(command, words, args)
  for i, row in ipairs(command.arguments) do
    local enough = is_required(row) or #words > required(command, i)
    local word = enough and table.remove(words, 1)
    if word then
      args[row.name] = convert(command, row, word.text)
    elseif is_required(row) then
      fail(command, "needs %s: %s", row.name, row.help)
    end
  end
  if #words > 0 then fail(command, "has no place for %s", words[1].text) end
end


local function fill(rows, args)
  for _, row in ipairs(rows or {}) do
    local default = row.session
    if default == nil then default = row.default end
    if args[row.name] == nil then args[row.name] = default end
  end
end


--- The arguments of a command. Raises a sentence that says what is wrong.
---@param command table
---@param session weir.Session
---@param words table[] of tokens.lua
---@return table args
function Binding.bind(command, session, words)
  local args = {}
  words = take_options(command, words, args)
  take_stores(command, session, words, args)
  take_arguments(command, words, args)
  fill(command.arguments, args)
  fill(command.options, args)
  return args
end


--- How a command is written: ".head [store] key [bytes]".
function Binding.usage(command)
  local parts = { "." .. command.name }
  if command.stores == 1 then parts[2] = "[store]" end
  if command.stores == 2 then parts[2], parts[3] = "store", "other" end
  for _, row in ipairs(command.arguments) do
    local name = row.choices and table.concat(row.choices, "|") or row.name
    parts[#parts + 1] = is_required(row) and name or "[" .. name .. "]"
  end
  for _, row in ipairs(command.options or {}) do
    local value = row.kind and "=" .. row.kind or ""
    parts[#parts + 1] = ("[--%s%s]"):format(row.name, value)
  end
  return table.concat(parts, " ")
end


return Binding
