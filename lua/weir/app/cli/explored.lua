-- app/cli/explored.lua: makes a subcommand of a command that looks into stores
-- (app/explore/). The session's dot command of the same name is made of the same table.
local Exit = require "weir.app.exit"
local Kinds = require "weir.app.explore.kinds"
local Target = require "weir.app.cli.target"
local View = require "weir.app.explore.view"
local weir = require "weir"


local function define_stores(command, n)
  command:argument "store"
    :description "A URL (fs:///var/cache), a connector or a policy file (kv.lua)."
  if n == 2 then
    command:argument "other"
      :description "The other store."
  end
end


local function define_argument(command, row)
  local argument = command:argument(row.name)
    :description(row.help)
  if row.choices then
    argument:choices(row.choices)
  else
    argument:convert(Kinds.reader(row))
  end
  if row.default ~= nil then argument:args "?" end
end


local function define_option(command, row)
  if not row.kind then
    command:flag("--" .. row.name):target(row.name):description(row.help)
    return
  end
  command:option("--" .. row.name)
    :target(row.name)
    :argname("<" .. row.kind .. ">")
    :description(row.help)
    :convert(Kinds.reader(row))
end


local function define(explore, command)
  define_stores(command, explore.stores)
  for _, row in ipairs(explore.arguments) do define_argument(command, row) end
  for _, row in ipairs(explore.options or {}) do define_option(command, row) end
  command:option "--timeout"
    :argname "<time>"
    :description "Give up after this: 50ms, 2s. Default: the store's own."
    :convert(Kinds.time)
  command:flag "--json"
    :description "Print one JSON object a line."
end


local function fill_defaults(explore, args)
  for _, rows in ipairs { explore.arguments, explore.options or {} } do
    for _, row in ipairs(rows) do
      if args[row.name] == nil then args[row.name] = row.default end
    end
  end
end


local function print_line(text)
  Exit.write(text, "\n")
end


local function run(explore, args)
  local view = View.new { print = print_line, remark = Exit.complain, json = args.json }
  fill_defaults(explore, args)
  return weir.run(function()
    local from = weir.now()
    args.store = Target.open(args.store, true)
    args.other = args.other and Target.open(args.other, not explore.changes)
    -- The first line is seen while the rest is still on its way.
    io.stdout:setvbuf "line"
    local code = explore.run(view, args)
    Target.close(args, { args.store, args.other }, from)
    return code or Exit.OK
  end)
end


--- The subcommand made of a table of app/explore/.
---@param explore table
return function(explore)
  return {
    summary = explore.summary,
    description = explore.description,
    define = function(command) define(explore, command) end,
    run = function(args) return run(explore, args) end,
  }
end
