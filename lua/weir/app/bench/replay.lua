-- How fast traces are replayed, what an entry of a model takes, and what record and
-- ghost add to a get on the path of a request. Times are CPU times. The traces are made
-- up: sessions of an LLM service in batches, and one key a request.
local Index = require "weir.replay.models.index"
local Plain = require "weir.replay.plain"
local Run = require "weir.replay.run"
local sessions = require "weir.app.trace.sessions"
local weir = require "weir"

local REQUESTS = 20000
local SINGLE = 200000
local ROUNDS = 3
local BATCH, TURN, TURNS = 64, 1024, 9
local STORES = 8 -- of the plain sweep
local ENTRIES = 1000000


local function file_of(suffix, write)
  local path = os.tmpname()
  os.remove(path)
  path = path .. suffix
  local file = assert(io.open(path, "w"))
  write(file)
  file:close()
  return path
end


local function write_batches(file)
  local next_session = sessions(1)
  for i = 1, REQUESTS do
    file:write(('{"timestamp": %d, "hash_ids": [%s]}\n'):format(i * 10,
      table.concat(next_session(), ", ")))
  end
end


local function write_singles(file)
  file:write "time,key,size\n"
  local x = 1
  for i = 1, SINGLE do
    x = x * 16807 % 2147483647
    file:write(("%d,%d,4096\n"):format(i / 100, (x / 2147483647) ^ 3 * 100000))
  end
end


local function write_policy(file)
  file:write 'return tier { memory { capacity = "64MiB" }, fs { path = "/none", '
  file:write 'capacity = "1GiB" }, promote = hits(2) }\n'
end


-- The best of some rounds: accesses a second.
local function rate(fn)
  local best = 0
  for _ = 1, ROUNDS do
    local began = os.clock()
    local keys = fn()
    best = math.max(best, keys / (os.clock() - began))
  end
  return best
end


local function replays(bench)
  local batches, singles = file_of(".jsonl", write_batches), file_of(".csv",
    write_singles)
  local policy = file_of(".lua", write_policy)
  local function row(case, figure, target)
    bench:row { case = case, figure = figure, unit = "keys/s", target = target }
  end
  row("replay, tier of memory and fs, batches", rate(function()
    return Run.simulate(policy, { batches }, { size = 4096 }).keys
  end), ">= 1e6")
  row("replay, the same, one key a request", rate(function()
    return Run.simulate(policy, { singles }, {}).keys
  end), ">= 3e5")
  row(("sweep of %d plain memory stores, batches"):format(STORES), rate(function()
    local list = {}
    for i = 1, STORES do list[i] = { capacity = i .. "MiB", eviction = "lru" } end
    local keys = 0
    for _, run in ipairs(Plain.run(list, { batches }, { size = 4096 })) do
      keys = keys + run.keys
      run.store:close()
    end
    return keys
  end), ">= 1e7")
  for _, path in ipairs { batches, singles, policy } do os.remove(path) end
end


local function entries(bench)
  local index = Index.new(0, nil, "sieve", function() end)
  for i = 1, ENTRIES do index:put("key-" .. i, 4096, 8192, 0, math.huge) end
  bench:row { case = "an entry of a model", figure = index:memory() / ENTRIES,
    unit = "B", target = "<= 100" }
  index:close()
end


local function batch_of_keys()
  local keys, values = {}, {}
  for i = 1, BATCH do keys[i], values[i] = ("key-%012d"):format(i), ("v"):rep(1024) end
  return keys, values
end


-- Compiled anew for each store, as in app/bench/policies.lua.
local READ = [[
return function(store, keys, times)
  for _ = 1, times do store:get_many(keys) end
end
]]


local function nanoseconds(case, keys)
  collectgarbage()
  local began = os.clock()
  case.read(case.store, keys, TURN)
  local took = (os.clock() - began) / (TURN * BATCH) * 1e9
  weir.sleep(0.2) -- what waits is written or shown, off this path
  return took
end


-- What a word adds to a get, a key: the median of differences by turns.
local function adds(bare, case, keys)
  local list = {}
  for i = 1, TURNS do
    local before = nanoseconds(bare, keys)
    local with = nanoseconds(case, keys)
    list[i] = with - (before + nanoseconds(bare, keys)) / 2
  end
  table.sort(list)
  return list[math.ceil(TURNS / 2)]
end


local function words(bench)
  local keys, values = batch_of_keys()
  local recording = file_of(".rec", function() end)
  local candidate = file_of(".lua", write_policy)
  local function case(store)
    assert(store:set_many(keys, values):all "good")
    return { store = store, read = loadstring(READ, "=read")() }
  end
  local function memory() return weir.memory { capacity = "64MiB" } end
  local bare = case(memory())
  local meter = case(memory():meter "m")
  local base = adds(bare, meter, keys)
  local queue = 2 * TURN * BATCH
  for name, store in pairs { record = memory():record { path = recording,
    queue = queue }, ghost = memory():ghost { candidate, queue = queue } } do
    local it = case(store)
    bench:row { case = name .. ": adds to a get, per key",
      figure = math.max(adds(bare, it, keys) - base, 0), unit = "ns",
      target = "<= 30", note = ("dropped %d"):format(store:tally().dropped) }
    store:close()
  end
  os.remove(recording)
  os.remove(candidate)
end


return function(bench)
  weir.run(function() words(bench) end)
  entries(bench)
  replays(bench)
end
