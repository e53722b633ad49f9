-- weir replay: what a policy file would have done with a trace, in virtual time.
local Columns = require "weir.app.show.columns"
local Exit = require "weir.app.exit"
local Json = require "weir.app.show.json"
local Options = require "weir.replay.options"
local Params = require "weir.language.params"
local Progress = require "weir.app.show.progress"
local Quantity = require "weir.core.quantity"
local Report = require "weir.replay.report"
local Run = require "weir.replay.run"
local Terminal = require "weir.app.terminal"
local Text = require "weir.replay.text"
local Traces = require "weir.app.cli.traces"

local Command = {
  summary = "Run a policy file against a trace, in virtual time.",
  description = "Run a policy file against traces of real traffic, in virtual time. "
    .. "Its stores become models of themselves: memory is its own code with entries "
    .. "without bytes, others follow their rules of capacity. Nothing is opened, "
    .. "written or connected.",
}


function Command.define(command)
  command:argument "file"
    :description "The policy file, or a URL (memory://?capacity=1GiB)."
  command:argument "trace"
    :description "A trace; .zst, .gz and .xz are unpacked by their tools; - is stdin."
    :args "+"
  Options.define(command)
  Params.define(command)
  command:option "--compare"
    :argname "<file>"
    :description "Put another policy file, or the JSON of a report, beside it."
  command:option "--against"
    :argname "live"
    :description "Do the same with the real stores, in real time, and compare."
    :choices { "live" }
  command:flag "--bounds"
    :description "Also what no policy could exceed. Needs memory for the whole trace."
  command:option "--plot"
    :argname "<file>"
    :description "Write an SVG of hits by level over time."
  command:flag "--json"
    :description "Print the report as one JSON object."
end


-- Looks for Ctrl-C now and then. After it, the results so far are printed.
local function watch(args)
  local signals = Terminal.signals { Terminal.SIGINT }
  local progress = not args.json and Progress.new(os.clock)
  return function(engine)
    if progress then
      progress:tell(function()
        return ("%s requests, %s keys, %.2f %% hits"):format(
          Quantity.count(engine.counts.requests), Quantity.count(engine.counts.keys),
          100 * engine.counts.hits / math.max(engine.counts.keys, 1))
      end)
    end
    return signals:take() ~= nil
  end, function()
    signals:close()
    if progress then progress:close() end
  end
end


local function simulate(args, file, opts, how)
  local stop, over = watch(args)
  opts.stop = stop
  local good, report = pcall(how or Run.simulate, file, args.trace, opts)
  over()
  if not good then Exit.fail(Exit.ERROR, "%s", Run.reason(report)) end
  return report
end


local function read_report(path)
  local file, why = io.open(path)
  if not file then Exit.fail(Exit.ERROR, "%s", why) end
  local good, report = pcall(require("cjson").decode, file:read "*a")
  file:close()
  if not good or type(report) ~= "table" or not report.stores then
    Exit.fail(Exit.ERROR, "%s: not the JSON of a report", path)
  end
  return report
end


local function other_report(args, opts)
  if args.against then return simulate(args, args.file, opts, Run.live), "live" end
  if args.compare:find "%.json$" then return read_report(args.compare), args.compare end
  return simulate(args, args.compare, opts), args.compare
end


local function plot(args, report)
  local Plot = require "weir.replay.plot"
  Exit.write_file(args.plot, Plot.over_time(report))
end


local function show(args, report, other, name)
  if args.json then
    Report.mark_lists(report)
    print(Json.encode(other and { report, Report.mark_lists(other) } or report))
    return
  end
  Exit.write(table.concat(Text.lines(report), "\n"), "\n")
  if not other then return end
  Exit.write "\n"
  local first = args.against and "model" or args.file
  Columns.print(Text.compare(report, other, first, name), "lrrr")
end


function Command.run(args)
  Exit.params(args.set)
  local opts = Options.read(args)
  opts.compared = args.compare ~= nil
  Traces.check(args.file, args.trace, opts)
  local report = simulate(args, args.file, opts)
  Exit.params_used()
  if args.bounds then
    report.bounds = require("weir.replay.bounds").of(args.trace, opts, report)
  end
  local other, name
  if args.compare or args.against then other, name = other_report(args, opts) end
  show(args, report, other, name)
  if args.plot then plot(args, report) end
  return report.stopped and Exit.INTERRUPTED or Exit.OK
end


return Command
