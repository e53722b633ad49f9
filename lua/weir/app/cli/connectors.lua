-- weir connectors: the connectors and their options, from the tables in C.
local Catalog = require "weir.native.catalog"
local Columns = require "weir.app.show.columns"
local Exit = require "weir.app.exit"
local Json = require "weir.app.show.json"
local Options = require "weir.app.help.option_lines"
local Topics = require "weir.app.help.topics"

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
  local good, broken = Catalog.all()
  local rows = {}
  for _, info in ipairs(good) do
    rows[#rows + 1] = { info.name, info.help }
    if args.json then
      print(Json.encode { name = info.name, help = info.help,
        schemes = Json.list(info.schemes) })
    end
  end
  for _, info in ipairs(broken) do
    rows[#rows + 1] = { info.name, "cannot be used: " .. info.error }
    if args.json then print(Json.encode(info)) end
  end
  if not args.json then Columns.print(rows) end
end


local function print_lines(lines)
  for _, line in ipairs(lines) do print(line) end
end


local function describe(args)
  local info, err = Catalog.describe(args.name)
  if not info then
    Exit.fail(Exit.ERROR, "%s", tostring(err))
  end
  if args.json then
    info.schemes, info.ops = Json.list(info.schemes), Json.list(info.ops)
    info.options = Json.list(info.options)
    print(Json.encode(info))
    return
  end
  print_lines(Topics.connector(info))
end


local function describe_common(args)
  local options = Catalog.store_options()
  if args.json then
    print(Json.encode(options))
    return
  end
  print "options that every store has:"
  print_lines(Options.lines(options))
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
