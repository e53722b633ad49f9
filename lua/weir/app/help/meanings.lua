-- app/help/meanings.lua: what each word of policy files means, from the tables that
-- stand with the words (HELP, EXAMPLE, OPTIONS). .help, `weir words`, completion,
-- meta.lua and the table in lua/README.md are made of it.
local Back = require "weir.policy.tier.back"
local Percentile = require "weir.policy.hedge.percentile"
local Policies = require "weir.language.policies"
local Predicate = require "weir.policy.shared.predicate"
local Quantity = require "weir.core.quantity"

local Meanings = {}

-- The kinds of arguments.lua as a reader sees them, and as LuaCATS writes them.
local KINDS = {
  seconds = { "time", "weir.Time" }, size = { "size", "weir.Size" },
  count = { "integer, from 1", "integer" }, whole = { "integer, from 0", "integer" },
  share = { "number, 0 to 1", "number" }, rate = { "number, over 0", "number" },
  number = { "number", "number" }, boolean = { "boolean", "boolean" },
  string = { "string", "string" }, name = { "string", "string" },
  path = { "string", "string" },
  list = { "list", "table" }, callable = { "function", "function" },
}


local function takes(row)
  if row.takes then return row.takes end
  if type(row.is) == "table" then return table.concat(row.is, "|") end
  if row.type == "weir.Rule" then return "predicate or function" end
  return KINDS[row.is] and KINDS[row.is][1] or row.type
end


local function luacats(row)
  if row.type then return row.type end
  if type(row.is) ~= "table" then return KINDS[row.is][2] end
  if #row.is > 4 then return "string" end
  return '"' .. table.concat(row.is, '"|"') .. '"'
end


local function default(row)
  local x = row.default
  if x == nil then return nil end
  if row.is == "size" then return (Quantity.bytes(x):gsub(" ", "")) end
  if row.is == "seconds" then return (Quantity.time(x):gsub(" ", "")) end
  return type(x) == "table" and (x.name or "{}") or tostring(x)
end


-- An option as those of connectors are described (catalog.lua).
local function option(row)
  return {
    name = row[1], at = row.at, help = row.help, takes = takes(row),
    luacats = luacats(row), default = default(row),
    required = row.required ~= nil or nil, choices = type(row.is) == "table" and row.is
      or nil, values = row.values,
  }
end


-- Where HELP, EXAMPLE and OPTIONS of a word stand, or nil.
local function class_of(word)
  if Predicate.words[word] then return Predicate.ABOUT[word], "predicate" end
  if Back.words[word] then return Back.ABOUT[word], "write" end
  if Percentile.words[word] then return Percentile.ABOUT[word], "time" end
  if word == "policy" then return require "weir.language.own", "none" end
  local kind = Policies.kind(word)
  return kind and require("weir.policy." .. word), kind
end


--- What a word means: name, kind ("many", "one", "none": over how many stores; or
--- "predicate", "time", "write"), help, example, options; nil: there is no such
--- word.
---@param word string
---@return table?
function Meanings.about(word)
  local class, kind = class_of(word)
  if not class then return nil end
  local about = { name = word, kind = kind, help = class.HELP, example = class.EXAMPLE,
    options = {} }
  for i, row in ipairs(class.OPTIONS) do about.options[i] = option(row) end
  return about
end


--- All words that have a meaning of this sort, sorted.
---@return string[]
function Meanings.names()
  local names = {}
  for _, word in ipairs(Policies.names()) do
    if class_of(word) then names[#names + 1] = word end
  end
  table.sort(names)
  return names
end


return Meanings
