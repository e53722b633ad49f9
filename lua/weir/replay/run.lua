-- replay/run.lua: one replay from a file or URL and its traces to a report. Used by the
-- commands replay and sweep, and by specs.

local Catalog = require "weir.native.catalog"
local Engine = require "weir.replay.engine"
local Guard = require "weir.replay.guard"
local Host = require "weir.host"
local Reload = require "weir.language.reload"
local Models = require "weir.replay.models"
local Report = require "weir.replay.report"
local Source = require "weir.replay.source"
local Virtual = require "weir.host.virtual"
local C = require("weir.ffi").C

local Run = {}

-- Where the clock stands when the first request comes, in seconds.
local BEGIN = 1000


--- Whether a target is a URL or a connector's name, not a policy file.
function Run.is_url(target)
  return target:find "^[%w+.-]+://" ~= nil or not target:find "[./]"
end


--- A target as reports name it: a URL without what may be a password.
---@return string
function Run.title(target)
  local scheme = target:match "^([%w+.-]+)://"
  local info = scheme and Catalog.describe(scheme)
  local title = target:gsub("://.*@", "://")
  for _, option in ipairs(info and info.options or {}) do
    if option.type == "secret" then
      title = title:gsub("([?&]" .. option.name .. "=)[^&]*", "%1...")
    end
  end
  return title
end


-- The store that is replayed; opened with the host in use, for what asks the time.
local function open(world, target, params, guard)
  if Run.is_url(target) then return Models.open(world, target, params) end
  local stores = Models.words(world)
  for name, word in pairs(guard) do stores[name] = word end
  return Reload.open(target, { stores = stores, params = params })
end


-- The same for a model; fails if a rule of --model is for a store that it has not.
local function open_model(world, target, opts, guard)
  local store = open(world, target, opts.params, guard)
  local why = Models.unknown_rule(world, opts.compared)
  if why then error(why, 0) end
  return store
end


local function sample_facts(opts, counts, source)
  local share = opts.sample
  if not share or share >= 1 then return nil end
  -- SHARDS-adj: what the sample has too few or too many of is counted as hits.
  local expected = source.all_keys * share
  local hits = counts.hits + expected - counts.keys
  return { share = share, keys = counts.keys, expected_keys = expected,
    adjusted_hit_ratio = expected > 0 and hits / expected or 0 }
end


--- What a report says of the run: the same for the same arguments.
local function about(target, paths, opts, source, mode)
  return { policy = Run.title(target), traces = paths, format = source.found
    and source.found.name, speed = opts.speed or "max", clients = opts.clients,
    factor = opts.factor, requests_mode = mode, size = opts.size or 65536,
    seed = opts.seed or 1, params = opts.params, warmup = opts.warmup }
end


-- The way of one request through all policies makes longer traces than LuaJIT allows
-- by default. What was compiled for another tree fits this one badly.
local function allow_long_traces()
  jit.flush()
  jit.opt.start("maxrecord=20000", "maxirconst=4000", "maxtrace=10000", "maxside=1000",
    "sizemcode=128", "maxmcode=65536")
end


-- An engine over a store. What the options leave open the format of the trace decides.
local function engine_of(store, source, world, opts)
  local recorded, prefix = opts.recorded, opts.prefix
  if recorded == nil then recorded = source.found.recorded end
  if prefix == nil then prefix = source.found.prefix end
  return Engine.new(store, source, world, { speed = opts.speed, factor = opts.factor,
    clients = opts.clients, recorded = recorded, prefix = prefix, size = opts.size,
    warmup = opts.warmup, stop = opts.stop })
end


local function report_of(engine, target, paths, opts)
  local mode = engine.recorded and "recorded" or "get-or-set"
  return Report.of(engine, about(target, paths, opts, engine.source, mode))
end


-- Runs fn() with the host's time as the time of Lua and of C.
local function in_virtual_time(host, fn)
  local before = Host.use(host)
  C.weir_set_now(BEGIN * 1e9)
  local ok, err = xpcall(fn, function(e)
    return type(e) == "string" and debug.traceback(e, 2) or e
  end)
  Host.use(before)
  C.weir_set_now(0)
  if not ok then error(err, 0) end
end


--- The sentence of an error that simulate or check raised, without its stack.
---@return string
function Run.reason(err)
  return (tostring(err):gsub("\nstack traceback:.*", ""))
end


--- Opens the models of a target and closes them. Raises what is wrong with the target,
--- its params or the rules of --model. opts: as for simulate.
function Run.check(target, opts)
  local host = Virtual.new { clock = BEGIN }
  local world = Models.world(host, { rules = opts.rules })
  in_virtual_time(host, function()
    local store = open_model(world, target, opts, (Guard.words()))
    host.run(store.close, store)
  end)
end


--- Replays. opts: those of Source.open and Engine.new; rules: of --model; compared: the
--- rules are for another file, too; params: of the file; seed; recorded: nil = as the
--- format says.
---@return table report
function Run.simulate(target, paths, opts)
  allow_long_traces()
  local timed = (opts.speed or "max") ~= "max"
  local source = Source.open(paths, opts, not timed and Engine.IN_USE or nil)
  local host = Virtual.new { seed = opts.seed, clock = BEGIN,
    on_clock = function(seconds) C.weir_set_now(seconds * 1e9) end }
  local world = Models.world(host, { timed = timed, rules = opts.rules,
    scale = opts.sample })
  local words, found = Guard.words()
  local report
  in_virtual_time(host, function()
    local store = open_model(world, target, opts, words)
    local engine = engine_of(store, source, world, opts)
    local ok, err = pcall(engine.simulate, engine)
    if ok then
      report = report_of(engine, target, paths, opts)
      report.warnings = Guard.list(found)
      report.sample = sample_facts(opts, engine.counts, source)
    end
    host.run(store.close, store)
    if not ok then error(err, 0) end
  end)
  source:close()
  return report
end


-- The same with the real stores, to be called in a task of a real host.
local function serve(target, paths, opts)
  local source = Source.open(paths, opts)
  local world = Models.world(Host, { live = true })
  local store = Reload.open(target, { stores = Models.words(world),
    params = opts.params })
  local engine = engine_of(store, source, world, opts)
  engine:run()
  local report = report_of(engine, target, paths, opts)
  source:close()
  store:close()
  return report
end


--- Replays against the real stores, in real time: opts as for simulate.
---@return table report
function Run.live(target, paths, opts)
  if Run.is_url(target) then error("live takes a policy file, not a URL", 0) end
  return require("weir.host.ev").new().run(serve, target, paths, opts)
end


return Run
