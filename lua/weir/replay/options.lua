-- replay/options.lua: the options that the commands replay and sweep have in common,
-- added to argparse's command and read into the options of run.lua.

local Csv = require "weir.replay.formats.csv"
local Exit = require "weir.app.exit"
local Formats = require "weir.replay.formats"
local Limits = require "weir.replay.formats.limits"
local Quantity = require "weir.core.quantity"
local Rules = require "weir.replay.models.rules"

local Options = {}


local function format(text)
  local found, why = Formats.find(text)
  return found and text, why
end


local function columns(text)
  local good, why = Csv.check_columns(text)
  return good and text, why
end


local function size(text)
  local bytes, why = Quantity.size(text)
  if not bytes or bytes <= Limits.size then return bytes, why end
  return nil, ("'%s' is too large: a value has at most %s"):format(text,
    Quantity.bytes(Limits.size))
end


local function share(text)
  local x = tonumber(text)
  if x and x > 0 and x <= 1 then return x end
  return nil, ("'%s' is no share; write 0.01"):format(text)
end


local function whole(text)
  local x = tonumber(text)
  if x and x >= 0 and x % 1 == 0 then return x end
  return nil, ("'%s' is no whole number"):format(text)
end


local function speed(text)
  if text == "max" then return { speed = "max" } end
  local factor = tonumber(text:match "^([%d.]+)x$")
  if factor and factor > 0 then return { speed = "open", factor = factor } end
  local clients = tonumber(text:match "^closed=(%d+)$")
  if clients and clients > 0 then return { speed = "closed", clients = clients } end
  return nil, ("'%s' is no speed; write max, 1x or closed=16"):format(text)
end


--- Adds them.
function Options.define(command)
  command:option "--format"
    :argname "<name>"
    :description "mooncake, bailian, lmcache, oracle, csv or weir; else it is detected."
    :convert(format)
  command:option "--columns"
    :argname "<names>"
    :description "Of a csv: time,key,op,size,ttl in order, or key=block_id,size=bytes."
    :convert(columns)
  command:option "--requests"
    :argname "<how>"
    :description "get-or-set: a miss is computed and set; recorded: as the trace says."
    :choices { "get-or-set", "recorded" }
  command:option "--size"
    :argname "<size>"
    :description "Bytes of a value where the trace has none. Default: 64KiB."
    :convert(size)
  command:option "--limit"
    :argname "<n>"
    :description "Stop after so many requests."
    :convert(whole)
  command:option "--skip"
    :argname "<n>"
    :description "Leave out the first requests."
    :convert(whole)
  command:option "--warmup"
    :argname "<n>"
    :description "Count nothing of the first requests."
    :convert(whole)
  command:option "--sample"
    :argname "<share>"
    :description "Replay a share of the keys with capacities scaled (SHARDS): 0.01."
    :convert(share)
  command:option "--speed"
    :argname "<how>"
    :description("max: in order, stores take no time, so there are no latencies. "
      .. "1x: at the times of the trace. closed=16: that many clients. These two give "
      .. "latencies by the models of the stores. Times are virtual.")
    :convert(speed)
  command:option "--model"
    :argname "<rules>"
    :description "'redis: latency=300us bandwidth=1GB/s workers=4'. Repeatable."
    :count "*"
  command:option "--seed"
    :argname "<n>"
    :description "Of chance. Default: 1."
    :convert(whole)
  command:flag "--skip-bad"
    :description "Leave out lines that are no requests, and count them."
end


local function rules_of(list)
  local rules = {}
  for _, text in ipairs(list) do
    local store, fields = Rules.read(text)
    if not store then Exit.fail(Exit.USAGE, "--model: %s", fields) end
    rules[store] = fields
  end
  return rules
end


--- The options of Run.simulate.
function Options.read(args)
  local how = args.speed or { speed = "max" }
  local opts = { format = args.format, columns = args.columns, size = args.size,
    limit = args.limit, skip = args.skip, warmup = args.warmup, sample = args.sample,
    seed = args.seed, skip_bad = args.skip_bad, speed = how.speed, factor = how.factor,
    clients = how.clients, rules = rules_of(args.model) }
  if args.requests then opts.recorded = args.requests == "recorded" end
  return opts
end


return Options
