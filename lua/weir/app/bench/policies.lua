-- weir bench policies: the cost of each word over its store: gets of 1 KiB in batches
-- of 64, per key, on the path without faults, in CPU time, all words by turns over one
-- memory store (shard over eight). Also the memory that a batch allocates, and whether
-- LuaJIT gave up on a hot path: a place where recording was aborted again and again.
-- --instances: see instances.lua.
local weir = require "weir"

local ROUNDS = 9
local KEYS = 4096
local BATCH = 64
local TURN = 2048 -- batches in a row

local WORD, SHARD, TIER, STACK = "<= 60", "<= 150", "<= 80", "<= 3x"

local SINGLES = 4096 -- gets of one key in a row


local function median(list)
  table.sort(list)
  return list[math.ceil(#list / 2)]
end


-- tenants: how many the keys begin with, if there are some.
local function make_batches(tenants)
  local batches, at = {}, 0
  for i = 1, KEYS / BATCH do
    batches[i] = {}
    for k = 1, BATCH do
      local front = tenants and ("%d:"):format(at % tenants) or ""
      batches[i][k] = ("%skey-%012d"):format(front, at + 1)
      at = (at + 2531) % KEYS
    end
  end
  return batches
end


local function fill(store, batches)
  local values = {}
  for k = 1, BATCH do values[k] = ("v"):rep(1024) end
  for _, keys in ipairs(batches) do assert(store:set_many(keys, values):all "good") end
end


-- The loop of a program, compiled anew for each case: one loop for all would be
-- compiled for the first store and measure how the others leave its trace.
local READ = [[
return function(store, batches, times)
  for i = 0, times - 1 do
    local reply = store:get_many(batches[i % #batches + 1])
    if not reply:all "good" then error "a miss" end
  end
end
]]


-- The same for gets of one key.
local READ_ONE = [[
return function(store, batches, times)
  for i = 0, times - 1 do
    local keys = batches[i % #batches + 1]
    if not store:get(keys[i % #keys + 1]) then error "a miss" end
  end
end
]]


-- Each turn pays for its own garbage, not for that of the one before.
local function nanoseconds(case)
  collectgarbage()
  collectgarbage()
  local start = os.clock()
  case.read(case[2], case[4], TURN)
  return (os.clock() - start) / (TURN * BATCH) * 1e9
end


-- Bytes that a batch leaves to the collector.
local function garbage(case)
  collectgarbage()
  collectgarbage "stop"
  local before = collectgarbage "count"
  case.read(case[2], case[4], TURN)
  local after = collectgarbage "count"
  collectgarbage "restart"
  return (after - before) * 1024 / TURN
end


local function memory()
  return weir.memory { capacity = "64MiB" }
end


local function quota()
  return weir.quota { by = "^([^:]+):", default = "64MiB" }
end


local function eight()
  local stores, names = {}, {}
  for i = 1, 8 do stores[i], names[i] = memory(), "store " .. i end
  stores.names = names
  return weir.shard(stores)
end


-- { name, store, target of the time that it adds, keys } over the bare store.
local function cases(bare)
  local stack = bare:timeout(1):retry { 2 }:breaker {}
  stack = weir.route { default = weir.tier { stack, memory() } }
  return {
    { "bare memory", bare },
    { "route, one of two prefixes", weir.route { ["key-"] = bare, ["x/"] = memory() },
      WORD },
    { "route, a batch over two stores", weir.route { ["key-0000000000"] = bare,
      ["key-000000001"] = bare, default = memory() }, WORD },
    { "prefix", bare:prefix "ns/", WORD },
    { "retry", bare:retry { 2 }, WORD },
    { "timeout", bare:timeout(1), WORD },
    { "breaker", bare:breaker {}, WORD },
    { "limit", bare:limit { 1000, bytes = 1e9 }, WORD },
    { "meter", bare:meter "m", WORD },
    { "pin, no key pinned", bare:pin { "x/", capacity = "1MiB" }, WORD },
    { "shard over 8", eight(), SHARD },
    { "quota, eight tenants", quota(), SHARD, make_batches(8) },
    { "tier, hits on top", weir.tier { bare, memory() }, TIER },
    { "deadline(coalesce(route(tier(breaker(retry(timeout))))))",
      stack:coalesce():deadline(1), STACK },
  }
end


-- Where recording was aborted, and how often.
local function watch_aborts()
  local places = {}
  local function note(what, _, func, pc, reason)
    if what ~= "abort" then return end
    local info = require("jit.util").funcinfo(func, pc)
    local place = ("%s (%s)"):format(info.loc or "C", tostring(reason))
    places[place] = (places[place] or 0) + 1
  end
  jit.attach(note, "trace")
  return places, function() jit.attach(note) end
end


local function worst(places)
  local most, where = 0, "nowhere"
  for place, times in pairs(places) do
    if times > most then most, where = times, place end
  end
  return most, where
end


-- The least CPU time of a get of one key, in nanoseconds.
local function single(case)
  local read, least = loadstring(READ_ONE, "=read_one")(), math.huge
  read(case[2], case[4], SINGLES)
  for _ = 1, ROUNDS do
    collectgarbage()
    local start = os.clock()
    read(case[2], case[4], SINGLES)
    least = math.min(least, (os.clock() - start) / SINGLES * 1e9)
  end
  return least
end


-- A case and the bare store by turns: the time of the case, and the difference.
local function measure(case, bare)
  local times, added = {}, {}
  for round = 1, ROUNDS do
    local before = nanoseconds(bare)
    times[round] = nanoseconds(case)
    added[round] = times[round] - (before + nanoseconds(bare)) / 2
  end
  return median(times), median(added)
end


local function report(bench, case, time, added, base, singles)
  local name, _, target = unpack(case)
  if not target then
    bench:row { case = name .. ", per key", figure = time, unit = "ns" }
  elseif target == STACK then
    bench:row { case = name, figure = time, unit = "ns", reference = "bare memory",
      of = time - added, target = target }
  else
    bench:row { case = name .. ": adds, per key", figure = math.max(added, 0),
      unit = "ns", reference = "bare memory", of = time - added, target = target }
  end
  bench:row { case = "  a get of one key", figure = case.single, unit = "ns",
    reference = target and "bare memory", of = target and singles }
  bench:row { case = "  allocated for a batch of 64", figure = case.bytes, unit = "B",
    reference = target and "bare memory", of = target and base }
end


return function(bench, args)
  if args[1] == "instances" then return require "weir.app.bench.instances"(bench) end
  weir.run(function()
    local batches, bare = make_batches(), memory()
    local list = cases(bare)
    for _, case in ipairs(list) do
      case.read = loadstring(READ, "=read")()
      case[4] = case[4] or batches
      fill(case[2], case[4])
      case.read(case[2], case[4], TURN)
    end
    local places, stop = watch_aborts()
    for _, case in ipairs(list) do
      case.time, case.added = measure(case, list[1])
    end
    stop()
    for _, case in ipairs(list) do
      case.bytes, case.single = garbage(case), single(case)
    end
    for _, case in ipairs(list) do
      report(bench, case, case.time, case.added, list[1].bytes, list[1].single)
    end
    local most, where = worst(places)
    bench:row { case = "aborted traces, the most in one place: " .. where,
      figure = most, unit = "", target = "<= 8" }
    for _, case in ipairs(list) do case[2]:close() end
  end)
end
