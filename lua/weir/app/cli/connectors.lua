-- weir connectors: what can be opened, and with which options. All of it comes from
-- the option tables in the connectors.
local Catalog = require "weir.native.catalog"
local Columns = require "weir.app.show.columns"
local Exit = require "weir.app.exit"
local Json = require "weir.app.show.json"
local Quantity = require "weir.core.quantity"
local weir = require "weir"

local Connectors = {
  summary = "List the connectors, or the options of one.",
}


function Connectors.define(command)
  command:argument "name"
    :description "A connector or one of its URL schemes."
    :args "?"
  command:flag "--common"
    :description "Show the options that every store has."
  command:flag "--json"
    :description "Print one JSON object a line."
end


local function list(args)
  local rows = {}
  for _, name in ipairs(weir.connectors()) do
    local info = Catalog.describe(name)
    if args.json then
      print(Json.encode { name = name, help = info.help, schemes = info.schemes })
    end
    rows[#rows + 1] = { name, info.help }
  end
  if not args.json then
    Columns.print(rows)
  end
end


local FORMS = {
  size = Quantity.bytes,
  duration = function(ns) return Quantity.time(ns / 1e9) end,
  integer = tostring,
}


-- What an option takes, in words: "size, 1 MiB to 1 GiB", "s3fifo|lru|sieve".
local function takes(option)
  if option.type == "secret" then
    return "secret, or $NAME of an environment variable"
  end
  if option.choices then return table.concat(option.choices, "|") end
  local form = FORMS[option.type]
  if option.max then
    return ("%s, %s to %s"):format(option.type, form(option.min), form(option.max))
  end
  if option.min then
    return ("%s, from %s"):format(option.type, form(option.min))
  end
  return option.type
end


local function default(option)
  return option.required and "required" or option.default or "-"
end


local function print_options(options)
  local rows = {}
  for i, option in ipairs(options) do
    local help = ("%s (%s)"):format(option.help, takes(option))
    rows[i] = { "  " .. option.name, default(option), help }
  end
  Columns.print(rows)
end


local function describe(args)
  local info, err = Catalog.describe(args.name)
  if not info then
    Exit.fail(Exit.ERROR, "%s", tostring(err))
  end
  if args.json then
    print(Json.encode(info))
    return
  end
  print(("%s: %s"):format(info.name, info.help))
  print("operations: " .. table.concat(info.ops, " "))
  if #info.schemes > 0 then
    print("further URL schemes: " .. table.concat(info.schemes, " "))
  end
  print "options beside those of weir connectors --common:"
  print_options(info.options)
end


local function describe_common(args)
  local options = Catalog.store_options()
  if args.json then
    print(Json.encode(options))
    return
  end
  print "options that every store has:"
  print_options(options)
end


function Connectors.run(args)
  if args.common then
    describe_common(args)
  elseif args.name then
    describe(args)
  else
    list(args)
  end
  return Exit.OK
end


return Connectors
