-- weir bench core: the time that Lua adds to the C calls, after the figures of the C
-- program (examples/bench/core.c): gets of 1 KiB from memory, alone, batched, through a
-- tier. Also checks that memory does not grow. --tails: see tails.lua.
local weir = require "weir"
local C = require("weir.ffi").C
local median = require "weir.app.bench.median"

local ROUNDS = 5
local KEYS = 4096
local BATCH = 64
local SIZE = 1024
local TOTAL = 64 * 4096


-- Nanoseconds that fn takes for a key. Garbage of earlier cases is collected before.
local function time(keys, fn)
  collectgarbage()
  collectgarbage()
  local start = C.weir_now()
  fn()
  return tonumber(C.weir_now() - start) / keys
end


local function make_keys()
  local keys = {}
  for i = 1, KEYS do
    keys[i] = ("key-%012d"):format(i)
  end
  return keys
end


-- The keys in batches, in an order that no prefetcher guesses.
local function make_batches(keys)
  local batches, at = {}, 0
  for i = 1, KEYS / BATCH do
    batches[i] = {}
    for k = 1, BATCH do
      batches[i][k] = keys[at + 1]
      at = (at + 2531) % KEYS
    end
  end
  return batches
end


local function get_single(store, batches)
  return time(TOTAL, function()
    for i = 0, TOTAL / BATCH - 1 do
      local batch = batches[i % #batches + 1]
      for k = 1, BATCH do
        if not store:get(batch[k]) then error "a miss" end
      end
    end
  end)
end


local function get_batched(store, batches)
  return time(TOTAL, function()
    for i = 0, TOTAL / BATCH - 1 do
      local reply = store:get_many(batches[i % #batches + 1])
      if not reply:all "good" then error "a miss" end
    end
  end)
end


local function fill(store, keys)
  local value = ("v"):rep(SIZE)
  for i = 1, #keys do
    assert(store:set(keys[i], value))
  end
end


local function call_figures(single, batched)
  require("weir.app.bench").measure("core", { "calls" }, function(row)
    table.insert(row.case == "single" and single or batched, row.figure)
  end)
end


-- Single and batched gets, in C and in Lua by turns, bare and through a tier.
local function gets(bench, batches, bare, tier)
  local c_single, c_batched, single, batched, tiered = {}, {}, {}, {}, {}
  for i = 1, ROUNDS do
    call_figures(c_single, c_batched)
    single[i] = get_single(bare, batches)
    batched[i] = get_batched(bare, batches)
    tiered[i] = get_batched(tier, batches)
  end
  bench:row {
    case = "Lua: memory, get 1 KiB, one a call", figure = median(single),
    unit = "ns", reference = "the C call", of = median(c_single), target = "<= 4x",
  }
  bench:row {
    case = "Lua: memory, get 1 KiB, batches of 64, per key", figure = median(batched),
    unit = "ns", reference = "the C call", of = median(c_batched), target = "<= 2x",
  }
  bench:row {
    case = "Lua: the same through tier { memory, fs }", figure = median(tiered),
    unit = "ns", reference = "the bare store", of = median(batched), target = "<= 2x",
  }
end


-- Bytes of the Lua heap and of the process, the collector at rest.
local function memory()
  collectgarbage()
  collectgarbage()
  local file = assert(io.open "/proc/self/statm")
  local resident = file:read("*a"):match "^%d+ (%d+)"
  file:close()
  return collectgarbage "count" * 1024, tonumber(resident) * 4096
end


-- Half of the keys one a call, half in batches; gets, sets and deletes.
local function churn(store, batches, operations)
  local values = {}
  for k = 1, BATCH do
    values[k] = ("v"):rep(SIZE)
  end
  for i = 0, operations / (BATCH * 6) do
    local batch = batches[i % #batches + 1]
    store:delete_many(batch)
    assert(store:set_many(batch, values):all "good")
    assert(store:get_many(batch):all "good")
    for k = 1, BATCH do
      store:delete(batch[k])
      assert(store:set(batch[k], values[k]))
      assert(store:get(batch[k]))
    end
  end
end


local function growth(bench, store, batches)
  churn(store, batches, 5e6) -- until the collector has seen its worst
  local heap, resident = memory()
  churn(store, batches, 1e7)
  local heap_after, resident_after = memory()
  bench:row {
    case = "Lua: heap growth over 10 M operations", unit = "B",
    figure = math.max(0, heap_after - heap), target = "<= 65536",
  }
  bench:row {
    case = "Lua: process growth over 10 M operations", unit = "B",
    figure = math.max(0, resident_after - resident), target = "<= 1048576",
  }
end


local function temporary()
  local pipe = io.popen "mktemp -d"
  local path = pipe:read "*l"
  pipe:close()
  return path
end


return function(bench, args)
  if args[1] == "tails" then return require "weir.app.bench.tails"(bench) end
  bench:program "core"
  local path = temporary()
  weir.run(function()
    local keys = make_keys()
    local batches = make_batches(keys)
    local bare = weir.memory { capacity = "256MiB" }
    local top = weir.memory { capacity = "256MiB" }
    local tier = weir.tier { top, weir.fs { path = path } }
    fill(bare, keys)
    fill(tier, keys)
    gets(bench, batches, bare, tier)
    growth(bench, bare, batches)
    bare:close()
    tier:close()
  end)
  os.execute("rm -rf '" .. path .. "'")
end
