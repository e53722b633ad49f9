-- weir bench policies: the cost of each word over its store: gets of 1 KiB in batches
-- of 64, per key, on the path without faults, in CPU time, all words by turns over one
-- memory store (shard over eight). Also the memory that a batch allocates, and whether
-- LuaJIT gave up on a hot path: a place where recording was aborted again and again.
-- --instances: see instances.lua.
local Reading = require "weir.app.bench.reading"
local weir = require "weir"
local median = require "weir.app.bench.median"

local WORD, SHARD, TIER, STACK = "<= 60", "<= 150", "<= 80", "<= 3x"


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
    { "quota, eight tenants", quota(), SHARD, Reading.batches(8) },
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


-- A case and the bare store by turns: the time of the case, and the difference.
local function measure(case, bare)
  local times, added = {}, {}
  for round = 1, Reading.ROUNDS do
    local before = Reading.batched(bare.of)
    times[round] = Reading.batched(case.of)
    added[round] = times[round] - (before + Reading.batched(bare.of)) / 2
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
    local batches, bare = Reading.batches(), memory()
    local list = cases(bare)
    for _, case in ipairs(list) do
      case.of = Reading.of(case[2], case[4] or batches)
    end
    local places, stop = watch_aborts()
    for _, case in ipairs(list) do
      case.time, case.added = measure(case, list[1])
    end
    stop()
    for _, case in ipairs(list) do
      case.bytes, case.single = Reading.garbage(case.of), Reading.single(case.of)
    end
    for _, case in ipairs(list) do
      report(bench, case, case.time, case.added, list[1].bytes, list[1].single)
    end
    local most, where = worst(places)
    bench:row { case = "aborted traces, the most in one place: " .. where,
      figure = most, unit = "", target = "<= 8" }
    for _, case in ipairs(list) do case[2]:close() end
    require "weir.app.bench.copies"(bench)
    require "weir.app.bench.stack"(bench)
  end)
end
