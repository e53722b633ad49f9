-- A replay agrees to the last hit with the textbooks' caches over real traces.

local Run = require "weir.replay.run"
local Textbook = require "replay.textbook"
local Traces = require "replay.traces"

local FOLDER = Traces.folder()
local NAMES = { "mooncake_conversation_trace.jsonl", "mooncake_synthetic_trace.jsonl" }
local CAPACITIES = { 1000, 10000, 50000 }


local function memory(capacity, eviction)
  return ("memory { capacity = '64GiB', capacity_items = %d, eviction = %q, "
    .. "exact = true, shards = 1 }"):format(capacity, eviction)
end


local function replay(policy, path)
  local name = os.tmpname()
  local file = assert(io.open(name, "w"))
  file:write("return " .. policy)
  file:close()
  local good, report = pcall(Run.simulate, name, { path }, { size = 1024 })
  os.remove(name)
  return assert(good and report, report)
end


local function each(fn, capacities)
  for _, name in ipairs(NAMES) do
    local path = FOLDER .. "/" .. name
    local batches = Traces.batches(path)
    for _, capacity in ipairs(capacities or CAPACITIES) do
      fn(path, batches, capacity)
    end
  end
end


local function same_as_one_cache(eviction)
  each(function(path, batches, capacity)
    local cache, hits = Textbook[eviction](capacity), 0
    for _, keys in ipairs(batches) do hits = hits + Textbook.batch(cache, keys) end
    local report = replay(memory(capacity, eviction), path)
    assert.equal(hits, report.hits, path .. " at " .. capacity)
  end)
end


-- The lower level has room for four times the upper one.
local function same_as_two_levels(promote, rule, around, options)
  each(function(path, batches, capacity)
    local step = Textbook.two_levels(Textbook.lru(capacity), Textbook.lru(4 * capacity),
      promote, rule, around)
    local upper, lower = 0, 0
    for _, keys in ipairs(batches) do
      local a, b = step(keys)
      upper, lower = upper + a, lower + b
    end
    local report = replay(("tier { %s, %s, %s }"):format(memory(capacity, "lru"),
      memory(4 * capacity, "lru"), options), path)
    local at = path .. " at " .. capacity
    assert.equal(upper, report.levels[1].hits, at)
    assert.equal(lower, report.levels[2] and report.levels[2].hits or 0, at)
  end)
end


if not FOLDER then
  describe("a replay over real traces", function()
    pending "needs shared/traces beside the checkout, or WEIR_TRACES"
  end)
  return
end


describe("a replay over Mooncake's traces hits as often as the textbook's", function()
  for _, eviction in ipairs { "lru", "fifo", "sieve", "s3fifo" } do
    it(eviction, function() same_as_one_cache(eviction) end)
  end

  it("two inclusive levels of LRU", function()
    same_as_two_levels(1, "ever", false, "promote = always")
  end)

  it("two levels with promotion at the second hit, counted for ever", function()
    same_as_two_levels(2, "ever", false, "promote = hits(2), seen = 1000000")
  end)

  it("two exclusive levels of LRU", function()
    each(function(path, batches, capacity)
      local step = Textbook.exclusive(capacity, 4 * capacity)
      local upper, lower = 0, 0
      for _, keys in ipairs(batches) do
        local a, b = step(keys)
        upper, lower = upper + a, lower + b
      end
      local report = replay(("tier { %s, %s, exclusive = true, demote = always, "
        .. "promote_queue = 1000000 }"):format(memory(capacity, "lru"),
        memory(4 * capacity, "lru")), path)
      local at = path .. " at " .. capacity
      assert.equal(upper, report.levels[1].hits, at)
      assert.equal(lower, report.levels[2] and report.levels[2].hits or 0, at)
    end, os.getenv "WEIR_SOAK" and CAPACITIES or { 1000 })
  end)

  it("two levels written around, with promotion at the second hit while resident",
    function()
      same_as_two_levels(2, "resident", true,
        "write = 'around', promote = hits(2, 'resident'), seen = 1000000")
    end)

  it("two levels written around, with promotion at the third hit while resident",
    function()
      same_as_two_levels(3, "resident", true,
        "write = 'around', promote = hits(3, 'resident'), seen = 1000000")
    end)
end)
