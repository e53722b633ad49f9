-- policy/shared/arguments.lua: reads the arguments of a word by a table of rows. An
-- error names the word, says what was expected, and suggests the nearest valid name.
-- Used by every file in policy/.
--
-- A row: { "name", is = kind, at = position, default = value, required = true }. A kind
-- is one of KINDS below, a list of the words that are allowed, or a function (x, "word:
-- name") that returns the value to use or raises an error. Beside a list there may be
-- `also`, a function that returns what to use of something else, or nil; also_what says
-- what that is.

local Ffi = require "weir.ffi"
local Quantity = require "weir.core.quantity"

local Arguments = {}


-- A number, or what read(text) makes of a string; nil: neither.
local function quantity(x, read)
  if type(x) == "string" then return (read(x)) end
  return type(x) == "number" and x or nil
end


local function number_where(condition)
  return function(x)
    if type(x) == "number" and x == x and condition(x) then return x end
  end
end


-- Each has a description of what it accepts, and a function that returns the value to
-- use, or nil. A quantity has the function that reads its text, too.
local KINDS = {
  seconds = { "a time over 0: seconds, or \"50ms\"", function(x)
    local s = quantity(x, Quantity.seconds)
    return s and s > 0 and s < math.huge and s or nil
  end, Quantity.seconds },
  size = { "a number of bytes, or \"64KiB\"", function(x)
    local bytes = quantity(x, Quantity.size)
    return bytes and bytes >= 0 and bytes or nil
  end, Quantity.size },
  count = { "a whole number over 0", number_where(function(x)
    return x >= 1 and x % 1 == 0
  end) },
  whole = { "a whole number, 0 or more", number_where(function(x)
    return x >= 0 and x % 1 == 0
  end) },
  share = { "a share from 0 to 1", number_where(function(x)
    return x >= 0 and x <= 1
  end) },
  rate = { "a number over 0", number_where(function(x) return x > 0 end) },
  number = { "a number", number_where(function() return true end) },
  boolean = { "true or false", function(x)
    if type(x) == "boolean" then return x end
  end },
  string = { "a string", function(x) return type(x) == "string" and x or nil end },
  name = { "a name", function(x)
    return type(x) == "string" and #x > 0 and x or nil
  end },
  path = { "a path", function(x)
    return type(x) == "string" and #x > 0 and x or nil
  end },
  list = { "a list", function(x) return type(x) == "table" and x or nil end },
  callable = { "a function", function(x)
    return type(x) == "function" and x or nil
  end },
  any = { "anything", function(x) return x end },
}


--- How a message shows a value that was given.
function Arguments.show(x)
  if type(x) == "string" then return ("%q"):format(x) end
  if type(x) == "table" then
    return type(x.run) == "function" and "the store " .. tostring(x.name) or "a table"
  end
  if type(x) == "number" or x == nil then return tostring(x) end
  return "a " .. type(x)
end


local function fail(word, format, ...)
  error(word .. ": " .. format:format(...), 0)
end


local function one_of(word, row, x)
  local other = row.also and row.also(x)
  if other ~= nil then return other end
  for _, allowed in ipairs(row.is) do
    if x == allowed then return x end
  end
  fail(word, "%s is one of \"%s\"%s, not %s%s", row[1],
    table.concat(row.is, "\", \""), row.also and ", or " .. row.also_what or "",
    Arguments.show(x), Ffi.suggest(x, row.is))
end


local function check(word, row, x)
  if type(row.is) == "table" then return one_of(word, row, x) end
  if type(row.is) == "function" then return row.is(x, word .. ": " .. row[1]) end
  local kind = KINDS[row.is]
  local value = kind[2](x)
  if value == nil then
    fail(word, "%s is %s, not %s%s", row[1], kind[1], Arguments.show(x),
      kind[3] and Quantity.excess(x, kind[3]) or "")
  end
  return value
end


local function names_of(rows)
  local names = {}
  for i, row in ipairs(rows) do names[i] = row[1] end
  return names
end


local function refuse_unknown(word, rows, given)
  local taken, names = {}, names_of(rows)
  for _, row in ipairs(rows) do
    taken[row[1]] = true
    if row.at then taken[row.at] = true end
  end
  for name in pairs(given) do
    if not taken[name] then
      if type(name) == "number" then
        fail(word, "has no place for argument %d, %s", name,
          Arguments.show(given[name]))
      end
      local hint = Ffi.suggest(name, names)
      if hint == "" then
        hint = "; it has " .. (#names > 0 and table.concat(names, ", ") or "none")
      end
      fail(word, "has no option %q%s", tostring(name), hint)
    end
  end
end


--- The options of a word as a table by name: checked, with defaults. The arguments are
--- a table with positions and names, or a plain value (the first position) and perhaps
--- a table of names.
function Arguments.read(word, rows, first, more)
  local given, out = {}, {}
  if type(first) == "table" and type(first.run) ~= "function" then
    for name, value in pairs(first) do given[name] = value end
  else
    given[1] = first
  end
  for name, value in pairs(more or {}) do given[name] = value end
  refuse_unknown(word, rows, given)
  for _, row in ipairs(rows) do
    local name = row[1]
    local x = given[name]
    if row.at and x == nil then x = given[row.at] end
    if x == nil then
      if row.required then fail(word, "needs %s", row.required) end
      out[name] = row.default
    else
      out[name] = check(word, row, x)
    end
  end
  return out
end


-- The name under which a store was given that should have none, for a message.
local function named_store(options)
  for name, value in pairs(options) do
    if type(value) == "table" and type(value.run) == "function" then
      return (", written without names such as %s ="):format(tostring(name))
    end
  end
  return ""
end


--- Splits the table given to a word over several stores: the stores, in order,
--- and the named options.
function Arguments.stores(word, given, least)
  if type(given) ~= "table" then
    fail(word, "takes a table of stores, not %s", Arguments.show(given))
  elseif type(given.run) == "function" then
    fail(word, "takes a table of stores, not a store; write %s { a, b }", word)
  end
  local stores, options, n = {}, {}, 0
  for name, value in pairs(given) do
    if type(name) == "number" then
      n = math.max(n, name)
    else
      options[name] = value
    end
  end
  for i = 1, n do
    stores[i] = Arguments.store(word, "item " .. i, given[i])
  end
  if n < (least or 1) then
    fail(word, "needs at least %s%s",
      least == 1 and "one store" or least .. " stores", named_store(options))
  end
  return stores, options
end


--- A store, or an error that says which one is not.
function Arguments.store(word, what, x)
  if type(x) ~= "table" or type(x.run) ~= "function" then
    fail(word, "%s is a store, not %s", what, Arguments.show(x))
  elseif not x.get_many then
    fail(word, "%s is a store, not a table with run; write policy { run = ... }", what)
  end
  return x
end


return Arguments
