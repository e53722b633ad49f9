-- replay/sweep.lua: many runs over one trace, on all cores: each core has a process
-- that does its share of the runs and writes a line of JSON for each. What a file of
-- such lines has from before is not done again.

local Grid = require "weir.replay.grid"
local Json = require "weir.app.show.json"
local Models = require "weir.replay.models"
local Plain = require "weir.replay.plain"
local Run = require "weir.replay.run"
local Source = require "weir.replay.source"
local Value = require "weir.core.value"
local cjson = require "cjson"

local Sweep = {}

-- What tells a process which share is its own, and how many bytes of results there were
-- when all processes started: "2/4/1500".
Sweep.PART = "WEIR_SWEEP_PART"


local function slim(report)
  report.points = nil
  return report
end


-- ---- runs without a policy ----

-- Whether the requests of a trace are gets of values that do not expire.
local function has_plain_gets(path, opts)
  local source = Source.open({ path }, { format = opts.format, columns = opts.columns,
    skip_bad = opts.skip_bad })
  local found = source.found
  source:close()
  return not found.recorded and not found.expires
end


-- Whether runs are plain gets and sets of a memory store, for which plain.lua is. There
-- the time stands still.
local function is_plain(target, paths, opts, runs)
  if not Run.is_url(target) or target:match "^%w+" ~= "memory" then return false end
  if opts.speed ~= "max" or opts.sample or opts.warmup or next(opts.rules) then
    return false
  end
  if opts.recorded or Models.options(target, runs[1]).ttl then return false end
  for _, path in ipairs(paths) do
    if not has_plain_gets(path, opts) then return false end
  end
  return true
end


local function plain_report(target, run, params)
  local gauges = run.store:stats().gauges
  return {
    policy = Run.title(target), params = params, hits = run.hits, keys = run.keys,
    hit_ratio = run.keys > 0 and run.hits / run.keys or 0,
    misses = run.keys - run.hits,
    stores = { { label = "memory", connector = "memory", capacity = gauges.capacity,
      items = gauges.items, bytes = gauges.bytes,
      capacity_items = tonumber(Models.options(target, params).capacity_items),
      evictions = { count = gauges.evictions } } },
  }
end


-- Stores of a trace that are simulated at the same time: they share the caches.
local AT_ONCE = 8

local function run_plain(target, paths, opts, runs, tell)
  for from = 1, #runs, AT_ONCE do
    local list, some = {}, {}
    for i = from, math.min(from + AT_ONCE - 1, #runs) do
      some[#some + 1] = runs[i]
      list[#list + 1] = Models.options(target, runs[i])
    end
    for i, run in ipairs(Plain.run(list, paths, opts)) do
      tell(some[i], plain_report(target, run, some[i]))
      run.store:close()
    end
  end
end


-- ---- the share of one process ----

local function run_each(target, paths, opts, runs, tell)
  for _, run in ipairs(runs) do
    opts.params = run
    tell(run, slim(Run.simulate(target, paths, opts)))
  end
end


--- Does the runs of this process and writes each as a line. of: what Sweep.subject
--- says.
function Sweep.work(target, paths, opts, axes, runs, of)
  local k, n = os.getenv(Sweep.PART):match "^(%d+)/(%d+)/"
  local mine = {}
  for i = tonumber(k), #runs, tonumber(n) do mine[#mine + 1] = runs[i] end
  local run_all = is_plain(target, paths, opts, mine) and run_plain or run_each
  run_all(target, paths, opts, mine, function(run, report)
    io.stdout:write(Json.encode { name = Grid.name(axes, run), of = of,
      report = report }, "\n")
    io.stdout:flush()
  end)
end


-- ---- all of them ----

-- What a method of a file returns. nil: there is no such file.
local function of_file(path, method, argument)
  local file = io.open(path, "rb")
  if not file then return nil end
  local answer = file[method](file, argument)
  file:close()
  return answer
end


--- What the results of a sweep depend on beside its parameters, as a short text: the
--- policy file and its bytes, the traces and their sizes, the options.
---@return string
function Sweep.subject(target, paths, opts)
  local facts = { target = target, opts = opts, traces = {},
    policy = not Run.is_url(target) and of_file(target, "read", "*a") or nil }
  for i, path in ipairs(paths) do
    facts.traces[i] = { path = path, size = of_file(path, "seek", "end") }
  end
  local digest = Value.version_of(Json.encode(facts))
  return (tostring(digest):gsub("ULL$", ""))
end

local function quote(word)
  return "'" .. word:gsub("'", "'\\''") .. "'"
end


local function cores()
  local pipe = io.popen "nproc 2>/dev/null"
  local n = tonumber(pipe:read "*a")
  pipe:close()
  return n or 1
end


-- A process with a share of the runs. Its first word on stderr ends up on ours.
local function start(argv, k, n, size)
  local words = {}
  for i, word in ipairs(argv) do words[i] = quote(word) end
  return assert(io.popen(("%s='%d/%d/%d' %s; echo sweep-ended $?"):format(Sweep.PART, k,
    n, size, table.concat(words, " "))))
end


-- What the first `size` bytes of a file of results have, by name.
local function known(path, size)
  local results = {}
  local file = path and io.open(path)
  for line in (file and file:read(size) or ""):gmatch "[^\n]+" do
    local good, result = pcall(cjson.decode, line)
    if good and type(result) == "table" and result.name then
      results[result.name] = result
    end
  end
  if file then file:close() end
  return results
end


--- Whether a file of results has some of another subject.
function Sweep.is_foreign(path, of)
  for _, result in pairs(known(path, "*a")) do
    if result.of ~= of then return true end
  end
  return false
end


-- Notes a result. Returns why it is not in the file, if it should be.
local function keep(results, result, line, file)
  results[result.name] = result
  if not file then return nil end
  local written, why = file:write(line, "\n")
  local flushed, late = file:flush()
  return not (written and flushed) and (why or late) or nil
end


local function collect(pipes, results, file, tell)
  local failure, why, unkept
  for _, pipe in ipairs(pipes) do
    for line in pipe:lines() do
      local code = line:match "^sweep%-ended (%d+)$"
      if code then
        failure = failure or code ~= "0" and tonumber(code) or nil
      else
        local result = cjson.decode(line)
        if result.name then
          unkept = keep(results, result, line, file) or unkept
          tell(results)
        else -- what ended the process early
          why = why or result.error
        end
      end
    end
    pipe:close()
  end
  return failure, why, unkept
end


-- Opens a file of results to add to it. Returns it and its size. A last line that was
-- cut short gets an end, so that the next one stands for itself.
local function to_add(path)
  local file = assert(io.open(path, "a+"))
  if file:seek "end" > 0 then
    file:seek("end", -1)
    local is_whole = file:read(1) == "\n"
    file:seek "end"
    if not is_whole then file:write "\n" end
  end
  file:flush()
  return file, file:seek "end"
end


--- Does all runs that `path` (nil: no file) has no result of, and adds them to it.
--- argv: the command line of a process that calls Sweep.work for the runs of which the
--- names are not in `path`. Returns the results by name. If a run failed, the second
--- and third result are its exit code and, with --json, the reason. If the file could
--- not be written, the fourth is the reason.
function Sweep.run(axes, runs, path, argv, tell)
  local results, left = known(path, "*a"), 0
  for _, run in ipairs(runs) do
    if not results[Grid.name(axes, run)] then left = left + 1 end
  end
  if left == 0 then return results end
  local file, size = nil, 0
  if path then file, size = to_add(path) end
  local pipes, n = {}, math.min(cores(), left)
  for k = 1, n do pipes[k] = start(argv, k, n, size) end
  local failure, why, unkept = collect(pipes, results, file, tell)
  if file then file:close() end
  return results, failure, why, unkept
end


--- The runs that a file of results had not when the processes started. Other ones may
--- have ended since then, and all processes must divide the same list.
function Sweep.missing(axes, runs, path)
  local size = tonumber(os.getenv(Sweep.PART):match "%d+$")
  local results, list = known(path, size), {}
  for _, run in ipairs(runs) do
    if not results[Grid.name(axes, run)] then list[#list + 1] = run end
  end
  return list
end


return Sweep
