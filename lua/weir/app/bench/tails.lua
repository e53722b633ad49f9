-- weir bench core --tails: how long single gets take, the longest included: a plain
-- Lua table, memory, and words over it. Each get is timed by itself, the time of the
-- clock (25 ns and more) included. A loop that only reads the clock until a few hundred
-- ns have passed, as long as a get takes, shows how often and how long the machine does
-- something else meanwhile: nothing can be faster in the last rows.
local ffi = require "ffi"
local weir = require "weir"
local C = require("weir.ffi").C

local SECONDS = 3
local KEYS = 4096
local AT_ONCE = 1000 -- gets between two looks at the time that is left
local IDLE = 400 -- ns of the loop that only reads the clock

-- Times are counted in steps of so many ns. The last counter has all longer ones: of a
-- quantile there only this is known.
local STEP, STEPS = 10, 200000

local QUANTILES = { { "p50", 0.5 }, { "p99", 0.99 }, { "p99.9", 0.999 },
  { "p99.99", 0.9999 } }

-- The targets in ns, from the bare store on.
local TARGETS = {
  memory = { ["p99"] = 1000, ["p99.99"] = 30000, max = 1e6 },
  tier = { ["p50"] = 800, ["p99"] = 3000, ["p99.99"] = 1e5, max = 1e6 },
  ["retry(timeout(tier))"] = { ["p99"] = 5000, ["p99.99"] = 2e5, max = 1e6 },
}

-- The loop of a program, compiled anew for each case.
local LOOP = [[
local now, counts, step, last, idle = ...
local function wait(begun)
  repeat until now() - begun >= idle
  return true
end
return function(store, keys, times, longest)
  for i = 1, times do
    local key = keys[i * 2531 % #keys + 1]
    local begun = now()
    if not GET then error "a miss" end
    local took = tonumber(now() - begun)
    local at = math.min(took / step, last)
    counts[at] = counts[at] + 1
    longest = math.max(longest, took)
  end
  return longest
end
]]


local function quantile(counts, n, share)
  local sum = 0
  for at = 0, STEPS do
    sum = sum + counts[at]
    if sum >= n * share then return (at + 0.5) * STEP end
  end
end


-- Gets for SECONDS: the counts, how many there were, and the longest.
local function measure(store, keys, get)
  local counts = ffi.new("double[?]", STEPS + 1)
  local loop = loadstring((LOOP:gsub("GET", get)))
  local read = loop(C.weir_now, counts, STEP, STEPS, IDLE)
  for _ = 1, 10 do read(store, keys, AT_ONCE, 0) end -- until it is compiled
  ffi.fill(counts, ffi.sizeof(counts))
  collectgarbage()
  local n, longest, by = 0, 0, C.weir_now() + SECONDS * 1e9
  while C.weir_now() < by do
    longest = read(store, keys, AT_ONCE, longest)
    n = n + AT_ONCE
  end
  return counts, n, longest
end


-- The quantiles and the longest of the gets of a store, by name. `clock`: the same of
-- the loop that only reads the clock, for the quantiles that other programs disturb.
local function report(bench, name, store, keys, get, clock)
  local counts, n, longest = measure(store, keys, get)
  local targets, figures = TARGETS[name] or {}, { max = longest }
  local function row(what)
    local target = targets[what] and ("<= %g"):format(targets[what])
    bench:row { case = ("single gets, %s: %s"):format(name, what),
      figure = figures[what], unit = "ns", target = target,
      reference = clock and "the clock alone", of = clock and clock[what] }
  end
  for _, entry in ipairs(QUANTILES) do
    figures[entry[1]] = quantile(counts, n, entry[2])
    row(entry[1])
  end
  row "max"
  return { ["p99.99"] = figures["p99.99"], max = longest }
end


return function(bench)
  weir.run(function()
    local plain, keys, values = {}, {}, {}
    for i = 1, KEYS do
      keys[i], values[i] = ("key-%012d"):format(i), ("v"):rep(1024)
      plain[keys[i]] = values[i]
    end
    local function memory()
      local store = weir.memory { capacity = "64MiB" }
      assert(store:set_many(keys, values):all "good")
      return store
    end
    local bare = memory()
    local tier = weir.tier { bare, memory() }
    local clock = report(bench, "none, the clock alone", plain, keys, "wait(begun)")
    report(bench, "a Lua table", plain, keys, "store[key]", clock)
    report(bench, "memory", bare, keys, "store:get(key)", clock)
    report(bench, "tier", tier, keys, "store:get(key)", clock)
    report(bench, "retry(timeout(tier))", tier:timeout(1):retry { 2 }, keys,
      "store:get(key)", clock)
    tier:close()
  end)
end
