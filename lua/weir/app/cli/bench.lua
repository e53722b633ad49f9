-- weir bench: figures, each beside its reference.
local Bench = require "weir.app.bench"
local Exit = require "weir.app.exit"

local Command = {
  summary = "Measure, each figure beside its reference.",
  description = "Measure: one line a case with its figure, the reference measured in "
    .. "the same run, their ratio, the target. Compare ratios, not figures: machines "
    .. "drift.",
  cleans_up = true, -- servers
}


function Command.define(command)
  command:argument "name"
    :description("Which; without it, all that need no arguments.")
    :choices(Bench.NAMES)
    :args "?"
  command:argument "arguments"
    :description "What that benchmark takes: redis takes a URL."
    :args "*"
  command:option "--host"
    :argname "<name>"
    :description "The benchmark of a host: --host ngx is the same as ngx."
    :choices { "ngx" }
  command:flag "--tails"
    :description "Of core: how long single gets take, the longest included."
  command:flag "--grow"
    :description "Of memory: the worst batch of sets while a store fills and evicts."
  command:flag "--instances"
    :description "Of policies: 128 instances of a word against one."
  command:flag "--json"
    :description "Print one JSON object a line."
  command:option "--compare"
    :argname "<file>"
    :description "Show the change since this output of --json."
end


-- The benchmark that each flag is for.
local FLAGS = { tails = "core", grow = "memory", instances = "policies" }


-- Makes an argument of each flag.
local function read_flags(args)
  for flag, name in pairs(FLAGS) do
    if args[flag] then
      if args.name ~= name then
        Exit.fail(Exit.USAGE, "--%s belongs to the benchmark %s: weir bench %s --%s",
          flag, name, name, flag)
      end
      args.arguments = { flag }
    end
  end
end


function Command.run(args)
  local before
  if args.compare then
    local err
    before, err = Bench.read(args.compare)
    if not before then
      Exit.fail(Exit.ERROR, "%s", err)
    end
  end
  args.name = args.host or args.name
  read_flags(args)
  if args.name and not Bench.exists(args.name) then
    Exit.fail(Exit.ERROR, "bench/%s has not been built", args.name)
  end
  local bench = Bench.new { json = args.json, before = before }
  for _, name in ipairs(args.name and { args.name } or Bench.NAMES) do
    if Bench.exists(name) then
      bench:run(name, args.arguments)
    end
  end
  if bench.cases == 0 then
    Exit.fail(Exit.USAGE, "no case has that in its name: %s",
      table.concat(args.arguments, " "))
  end
  bench:close()
  return Exit.OK
end


return Command
