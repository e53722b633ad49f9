-- weir sweep: one policy file with many values of its parameters, against a trace.
local Columns = require "weir.app.show.columns"
local Exit = require "weir.app.exit"
local Front = require "weir.replay.front"
local Grid = require "weir.replay.grid"
local Json = require "weir.app.show.json"
local Options = require "weir.replay.options"
local Params = require "weir.language.params"
local Progress = require "weir.app.show.progress"
local Quantity = require "weir.core.quantity"
local Report = require "weir.replay.report"
local Run = require "weir.replay.run"
local Source = require "weir.replay.source"
local Sweep = require "weir.replay.sweep"
local Traces = require "weir.app.cli.traces"

local Command = {
  summary = "Replay a trace with many values of a file's parameters.",
  description = "Replay a trace with all combinations of values for the parameters of "
    .. "a policy file, or the options of a URL, on all cores. The table is sorted by "
    .. "cost. A * marks runs that no other beats at their cost, knee the one where "
    .. "more cost begins to bring less. Of a store that evicts, age is the median of "
    .. "how long ago what it evicted was set.",
}


function Command.define(command)
  command:argument "file"
    :description "The policy file, or a URL (memory://)."
  command:argument "word"
    :argname "<trace>|<name>=<values>"
    :description("Traces, and parameters: hits=1,2,4 or capacity=1GiB..64GiB (doubled) "
      .. "or shards=2..10+2 (in steps).")
    :args "+"
  Options.define(command)
  command:option "--cost"
    :argname "<expression>"
    :description("Of a run, over the fields of its report: 'memory.capacity/GiB*3 + "
      .. "fs.ops.set.bytes/GiB'. Default: the GiB that all stores may hold.")
  command:option "--resume"
    :argname "<file>"
    :description("Keep results in this file, and do no run again that it has. It is "
      .. "of one policy file, its traces and options.")
  command:flag "--bounds"
    :description "Also what no policy could exceed at the capacity of all stores."
  command:option "--plot"
    :argname "<file>"
    :description "Write an SVG of hit ratio over cost."
  command:flag "--json"
    :description "Print one JSON object a run."
end


-- Ends the command for a word that is no trace and no parameter with values.
local function refuse(word)
  local name = word:match "^[%a_][%w_]*$" or "capacity"
  Exit.fail(Exit.USAGE, "'%s' is no file, so no trace, and no parameter with values, "
    .. "such as %s=1GiB..64GiB", word, name)
end


local function add_axis(axes, word)
  local axis, why = Grid.read(word)
  if not axis then Exit.fail(Exit.USAGE, "%s", why) end
  for _, before in ipairs(axes) do
    if before.name == axis.name then
      Exit.fail(Exit.USAGE, "%s is given twice; write %s=%s,%s", axis.name, axis.name,
        before.text, axis.text)
    end
  end
  axes[#axes + 1] = axis
end


-- The traces and the axes among the words. A name alone is no trace that is missing.
local function split(words)
  local traces, axes, missing = {}, {}, nil
  for _, word in ipairs(words) do
    if Traces.is_file(word) or word == "-" then
      traces[#traces + 1] = word
    elseif word:find "^[%a_][%w_]*=" then
      add_axis(axes, word)
    elseif word:find "^[%a_][%w_]*$" then
      refuse(word)
    else
      traces[#traces + 1], missing = word, missing or word
    end
  end
  if #traces == 0 then Exit.fail(Exit.USAGE, "no trace was given") end
  if #axes == 0 then
    if missing then refuse(missing) end
    Exit.fail(Exit.USAGE, "no parameter was given, such as capacity=1GiB..64GiB")
  end
  return traces, axes
end


-- Fails before any run begins if the file, or the connector of a URL, does not take
-- each of the values.
local function check(target, axes, opts, first)
  local function try(params)
    opts.params = params
    local good, why = pcall(Run.check, target, opts)
    if not good then Exit.fail(Exit.ERROR, "%s", Run.reason(why)) end
  end
  for _, axis in ipairs(axes) do
    for _, value in ipairs(axis.values) do
      local params = { [axis.name] = value }
      for name, other in pairs(first) do params[name] = params[name] or other end
      try(params)
    end
  end
  local unknown = not Run.is_url(target) and Params.unknown(first)
  if unknown then Exit.fail(Exit.USAGE, "%s", unknown) end
end


-- The same for a trace that cannot be read. Each process reads all of it.
local function check_traces(traces, opts)
  for _, path in ipairs(traces) do
    if path == "-" then
      Exit.fail(Exit.USAGE, "a trace is read several times: give its file, not -")
    end
    local good, why = pcall(function()
      Source.open({ path }, { format = opts.format, columns = opts.columns,
        skip_bad = opts.skip_bad }):close()
    end)
    if not good then Exit.fail(Exit.ERROR, "%s", Run.reason(why)) end
  end
end


local function check_results(path, of)
  if not path then return end
  if Sweep.is_foreign(path, of) then
    Exit.fail(Exit.USAGE, "--resume: %s has results of another policy file, trace or "
      .. "option; give another file", path)
  end
  local file, why = io.open(path, "a")
  if not file then Exit.fail(Exit.ERROR, "--resume: %s", why) end
  file:close()
end


local function own_command_line()
  local argv = { arg[0] }
  for i, word in ipairs(arg) do argv[i + 1] = word end
  return argv
end


-- The runs with what they cost, sorted and marked.
local function marked(axes, runs, results, cost)
  local list = {}
  for _, run in ipairs(runs) do
    local result = results[Grid.name(axes, run)]
    if result then
      local price, why = cost(result.report)
      if not price then Exit.fail(Exit.USAGE, "--cost: %s", why) end
      list[#list + 1] = { name = result.name, params = run, cost = price,
        hits = result.report.hits, report = result.report }
    end
  end
  return Front.mark(list)
end


local function add_bounds(traces, opts, runs)
  local Bounds = require "weir.replay.bounds"
  local bounds = Bounds.load(traces, opts)
  for _, run in ipairs(runs) do
    run.bound = bounds:of_all(run.report.stores)
  end
  return bounds:compulsory()
end


local function percent(x)
  return x and ("%.2f %%"):format(100 * x) or "-"
end


local function written(report)
  local sum = 0
  for _, store in ipairs(report.stores) do
    if store.connector ~= "memory" then
      sum = sum + (store.ops and store.ops.set and store.ops.set.bytes or 0)
    end
  end
  return sum
end


-- The median age of what a store of a run evicted; nil: it evicted nothing, or the
-- trace has no times.
local function age_of(report, label)
  for _, store in ipairs(report.stores) do
    local age = store.label == label and store.evictions and store.evictions.age
    if age then return age.p50 end
  end
end


-- The stores that evicted in any of the runs: there is a column for the ages of each.
local function evicting(runs)
  local labels = {}
  for _, store in ipairs(runs[1].report.stores) do
    for _, run in ipairs(runs) do
      if age_of(run.report, store.label) then
        labels[#labels + 1] = store.label
        break
      end
    end
  end
  return labels
end


local function table_of(axes, runs, floor, labels)
  local head = {}
  for i, axis in ipairs(axes) do head[i] = axis.name end
  for _, name in ipairs { "cost", "hits", "by bytes", "leading", "p99", "written" } do
    head[#head + 1] = name
  end
  for _, label in ipairs(labels) do head[#head + 1] = label .. " age" end
  if floor then head[#head + 1] = "bound" end
  head[#head + 1] = ""
  local rows = { head }
  for _, run in ipairs(runs) do
    local row, report = {}, run.report
    for i, axis in ipairs(axes) do row[i] = run.params[axis.name] end
    local p99 = report.latency and report.latency.p99
    for _, cell in ipairs { ("%.4g"):format(run.cost), percent(report.hit_ratio),
      percent(report.byte_hit_ratio), percent(report.leading_ratio),
      p99 and Quantity.time(p99) or "-", Quantity.bytes(written(report)) } do
      row[#row + 1] = cell
    end
    for _, label in ipairs(labels) do
      local age = age_of(report, label)
      row[#row + 1] = age and Quantity.time(age) or "-"
    end
    if floor then row[#row + 1] = percent(run.bound and run.bound.hit_ratio) end
    row[#row + 1] = run.front and (run.knee and "* knee" or "*") or ""
    rows[#rows + 1] = row
  end
  return rows
end


local function print_runs(args, axes, runs, floor)
  if args.json then
    for _, run in ipairs(runs) do
      print(Json.encode { name = run.name, params = run.params, cost = run.cost,
        front = run.front, knee = run.knee or false, bound = run.bound,
        report = Report.mark_lists(run.report) })
    end
    return
  end
  local rows = table_of(axes, runs, floor, evicting(runs))
  Columns.print(rows, ("r"):rep(#rows[1] - 1))
  if floor then
    print(("no cache of any size hits more than %s"):format(percent(floor.hit_ratio)))
  end
end


local function plot(args, runs, floor)
  local Plot = require "weir.replay.plot"
  Exit.write_file(args.plot, Plot.over_cost(runs, floor))
end


local function run_all(args, axes, runs)
  local progress = not args.json and Progress.new(os.time)
  local done = 0
  local results, failure, reason, unkept = Sweep.run(axes, runs, args.resume,
    own_command_line(), function()
      done = done + 1
      if progress then
        progress:tell(function() return ("%d of %d runs"):format(done, #runs) end)
      end
    end)
  if progress then progress:close() end
  return results, failure, reason, unkept
end


function Command.run(args)
  local traces, axes = split(args.word)
  local opts = Options.read(args)
  local runs, why = Grid.runs(axes)
  if not runs then Exit.fail(Exit.USAGE, "%s", why) end
  local cost, wrong = Front.cost(args.cost)
  if not cost then Exit.fail(Exit.USAGE, "--cost: %s", wrong) end
  local of = Sweep.subject(args.file, traces, opts)
  if os.getenv(Sweep.PART) then
    local left = Sweep.missing(axes, runs, args.resume)
    local good, err = pcall(Sweep.work, args.file, traces, opts, axes, left, of)
    if not good then Exit.fail(Exit.ERROR, "%s", Run.reason(err)) end
    return Exit.OK
  end
  check_traces(traces, opts)
  check_results(args.resume, of)
  check(args.file, axes, opts, runs[1])
  local results, failure, reason, unkept = run_all(args, axes, runs)
  local list = marked(axes, runs, results, cost)
  if #list > 0 then
    local floor = args.bounds and add_bounds(traces, opts, list)
    print_runs(args, axes, list, floor)
    if args.plot then plot(args, list, floor) end
  end
  if unkept then Exit.fail(Exit.ERROR, "--resume: %s: %s", args.resume, unkept) end
  if reason then Exit.report { message = reason, exit = failure } end
  return failure or #list == 0 and Exit.ERROR or Exit.OK
end


return Command
