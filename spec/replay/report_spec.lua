-- The report of a replay: the ages of what stores evict, against a plain simulation in
-- Lua, and what is said where there is nothing to report.

local Run = require "weir.replay.run"
local Text = require "weir.replay.text"
local shell = require "shell"


-- A cache of so many entries as a list, the next to go first. Knows when each was set
-- and last read, and notes the ages of those that it evicts. Reads move an entry to the
-- end with `lru`, and writes do.
local function plain_cache(capacity, lru)
  local list, ages, idles = {}, {}, {}
  local cache = { ages = ages, idles = idles, unused = 0, bytes = 0 }
  local function find(key)
    for i, e in ipairs(list) do if e.key == key then return i end end
  end
  local function move(at)
    if lru then table.insert(list, table.remove(list, at)) end
  end
  function cache.get(key, now)
    local at = find(key)
    if not at then return end
    list[at].read = now
    move(at)
  end
  function cache.set(key, size, now)
    local at = find(key)
    if at then
      list[at].set, list[at].read, list[at].size = now, nil, size
      move(at)
      return
    end
    if #list == capacity then
      local e = table.remove(list, 1)
      ages[#ages + 1], idles[#idles + 1] = now - e.set, now - (e.read or e.set)
      cache.bytes = cache.bytes + e.size
      if not e.read then cache.unused = cache.unused + 1 end
    end
    list[#list + 1] = { key = key, size = size, set = now }
  end
  function cache.delete(key)
    local at = find(key)
    if at then table.remove(list, at) end
  end
  function cache.forget()
    cache.unused, cache.bytes = 0, 0
    for i = #ages, 1, -1 do ages[i], idles[i] = nil, nil end
  end
  return cache
end


local function same_times(list, summary)
  table.sort(list)
  local sum = 0
  for _, x in ipairs(list) do sum = sum + x end
  assert.equal(#list, summary.count)
  assert.near(list[#list], summary.max, 1e-3)
  assert.near(sum / #list, summary.mean, 1e-3)
  for name, share in pairs { p50 = 0.5, p90 = 0.9, p99 = 0.99 } do
    local x = list[math.ceil(#list * share)]
    assert.near(x, summary[name], 0.04 * x + 1e-3, name)
  end
end


describe("the report of a replay", function()
  local folder

  setup(function() folder = shell.folder() end)
  teardown(function() shell.remove(folder) end)

  local function write(name, text)
    shell.write(folder .. "/" .. name, text)
    return folder .. "/" .. name
  end

  -- 6000 ops on 200 keys at times that are never equal, and as a list.
  local function trace()
    local list, lines, x, time = {}, { "time,key,op,size" }, 1, 0
    local function random(n)
      x = x * 16807 % 2147483647
      return x % n
    end
    for i = 1, 6000 do
      time = time + (1 + random(3000)) / 1000
      local op = ({ "get", "get", "set", "set", "set", "delete" })[1 + random(6)]
      local key = "k" .. random(random(3) == 0 and 30 or 200)
      list[i] = { time = time, key = key, op = op, size = random(900) }
      lines[i + 1] = ("%.3f,%s,%s,%d"):format(time, list[i].key, op, list[i].size)
    end
    return write("t.csv", table.concat(lines, "\n") .. "\n"), list
  end

  -- store: of 40 entries.
  local function same_as_plain(store, lru, warmup)
    local path, list = trace()
    local cache = plain_cache(40, lru)
    for i, r in ipairs(list) do
      if r.op == "get" then cache.get(r.key, r.time) end
      if r.op == "set" then cache.set(r.key, r.size, r.time) end
      if r.op == "delete" then cache.delete(r.key) end
      if i == warmup then cache.forget() end
    end
    local report = Run.simulate(write("p.lua", "return " .. store), { path },
      { warmup = warmup })
    local evictions = report.stores[1].evictions
    assert.is_true(#cache.ages > 200 and cache.unused > 20)
    assert.equal(#cache.ages, evictions.count)
    assert.equal(cache.unused, evictions.unused)
    assert.equal(cache.bytes, evictions.bytes)
    same_times(cache.ages, evictions.age)
    same_times(cache.idles, evictions.idle)
  end

  local MEMORY = "memory { capacity_items = 40, shards = 1, eviction = %q }"

  for _, eviction in ipairs { "lru", "fifo" } do
    it("has the ages of what a memory evicts: " .. eviction, function()
      same_as_plain(MEMORY:format(eviction), eviction == "lru")
    end)

    it("has nothing of the warm-up in the ages: " .. eviction, function()
      same_as_plain(MEMORY:format(eviction), eviction == "lru", 2000)
    end)
  end

  it("has the ages of what a tier moves down from a memory", function()
    same_as_plain(("tier { %s, fs { path = '/x' }, demote = always, "
      .. "promote = never }"):format(MEMORY:format "lru"), true)
  end)

  it("has the ages of what a modelled fs evicts", function()
    -- An entry of fs takes a block. SIEVE with no hit in between is FIFO.
    local lines = { "time,key,op,size" }
    for i = 1, 100 do lines[i + 1] = ("%d,k%d,set,%d"):format(i, i, i) end
    local report = Run.simulate(write("p.lua",
      "return fs { path = '/x', capacity = '40KiB' }"),
      { write("s.csv", table.concat(lines, "\n") .. "\n") }, {})
    local evictions = report.stores[1].evictions
    assert.same({ 90, 90, 4095 },
      { evictions.count, evictions.unused, evictions.bytes })
    assert.near(10, evictions.age.max, 1e-3)
    assert.near(10, evictions.idle.mean, 1e-3)
  end)

  it("calls what was read at the time of its set read", function()
    local path = write("w.csv", "time,key,op,size\n1,a,set,5\n1,a,get,5\n2,b,set,5\n"
      .. "3,c,set,5\n")
    for _, store in ipairs { "memory { capacity_items = 1, shards = 1 }",
      "fs { path = '/x', capacity = '4KiB' }" } do
      local report = Run.simulate(write("p.lua", "return " .. store), { path }, {})
      local evictions = report.stores[1].evictions
      assert.same({ 2, 1 }, { evictions.count, evictions.unused }, store)
    end
  end)

  it("has no ages where a trace has no times", function()
    local path = write("n.csv", "key,op,size\na,set,5\nb,set,5\nc,set,5\n")
    local report = Run.simulate(write("p.lua",
      "return memory { capacity_items = 1, shards = 1 }"), { path }, {})
    local evictions = report.stores[1].evictions
    assert.equal(2, evictions.count)
    assert.is_nil(evictions.age)
    assert.is_nil(evictions.idle)
  end)

  local function screen(store, opts)
    local report = Run.simulate(write("p.lua", "return " .. store), { (trace()) }, opts)
    return table.concat(Text.lines(report), "\n"), report
  end

  it("shows p50 and p90 of age and idle time on the screen", function()
    local text, report = screen(MEMORY:format "lru", {})
    local evictions = report.stores[1].evictions
    assert.matches("age p50 +p90 +idle p50 +p90", text)
    local Quantity = require "weir.core.quantity"
    for _, x in ipairs { evictions.age.p50, evictions.age.p90, evictions.idle.p50,
      evictions.idle.p90 } do
      assert.matches(Quantity.time(x), text, 1, true)
    end
  end)

  it("says which speed gives latencies where there are none", function()
    local HINT = "no latencies: stores take no time at max speed; --speed 1x or "
      .. "closed=16 gives them"
    local text, report = screen("redis {}", {})
    assert.is_nil(report.latency)
    assert.matches(HINT, text, 1, true)
    text, report = screen("redis {}", { speed = "open" })
    assert.is_true(report.latency.p50 > 0 and report.latency.p99 >= report.latency.p50)
    assert.not_matches("no latencies", text, 1, true)
    assert.matches("latency p50", text, 1, true)
  end)
end)
