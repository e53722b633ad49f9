-- age, tinylfu, cheaper, below of a queue, and the sketch that tinylfu counts with. The
-- other predicates are in tier_spec and cache_spec.
local fake = require "fake"
local script = require "fake.store"
local scripted = require "scripted"
local Sketch = require "weir.policy.shared.sketch"
local weir = require "weir"


describe("a sketch", function()
  it("counts what was seen lately", function()
    local sketch = Sketch.new(1000)
    for _ = 1, 3 do sketch:see "a" end
    assert.same({ 3, 0, 4 }, { sketch:count "a", sketch:count "b", sketch:see "a" })
    for _ = 1, 100 do sketch:see "a" end
    assert.equal(15, sketch:count "a")
  end)

  it("tells nearly all keys apart", function()
    local sketch, higher = Sketch.new(10000), 0
    for _ = 1, 3 do
      for i = 1, 10000 do sketch:see("key" .. i) end
    end
    for i = 1, 10000 do
      if sketch:count("key" .. i) > 3 then higher = higher + 1 end
    end
    assert.is_true(higher < 300, higher)
  end)

  it("forgets what is not seen any more, a block at a time", function()
    local sketch = Sketch.new(64)
    for _ = 1, 15 do sketch:see "old" end
    local before = sketch:count "old"
    for i = 1, 10 * 64 do sketch:see("other" .. i % 4) end
    assert.is_true(sketch:count "old" <= before / 2 + 1)
    for i = 1, 5 * 10 * 64 do sketch:see("other" .. i % 4) end
    assert.equal(0, sketch:count "old")
  end)
end)


describe("the predicate", function()
  local host, store
  before_each(function()
    host = fake.host()
    store = script.store(host, "store")
  end)
  after_each(fake.leave)

  it("bigger wants more bytes than that", function()
    local tree = store:admit(weir.bigger(3))
    host:main(function()
      assert.is_false((tree:set("k", "123")))
      assert.is_true((tree:set("k", "1234")))
    end)
    assert.has_error(function() weir.bigger("x") end)
  end)

  it("age waits until a key is so old", function()
    local tree = store:admit(weir.age(10))
    host:main(function()
      assert.equal("rejected", select(2, tree:set("k", "1")).code)
      host.sleep(9)
      assert.is_false(tree:set("k", "1"))
      host.sleep(1.5)
      assert.is_true(tree:set("k", "1"))
    end)
  end)

  it("tinylfu keeps keys that come once out of a store that is full", function()
    local ram = weir.memory { capacity = "1MiB", shards = 1 }
    local tree, value = ram:admit(weir.tinylfu { 2, keys = 10000 }), ("v"):rep(1000)
    host:main(function()
      for i = 1, 500 do assert.is_true(tree:set("early" .. i, value)) end
      for i = 1, 3000 do tree:set("fill" .. i, value) end
      host.sleep(1) -- the room is looked up anew
      local turned_away = 0
      for i = 1, 1000 do
        if not tree:set("once" .. i, value) then turned_away = turned_away + 1 end
      end
      assert.is_true(turned_away > 900, turned_away)
      assert.is_true(tree:set("once1", value))
    end)
    ram:close()
  end)

  it("cheaper compares loading with computing", function()
    local tree = store:admit(weir.cheaper { load = "1MB/s", recompute = "10ms",
      latency = "50ms" })
    host:main(function()
      assert.is_false(tree:set("small", ("x"):rep(1024)))
      assert.is_true(tree:set("large", ("x"):rep(64 * 1024)))
    end)
    local slow = store:admit(weir.cheaper { load = 1000, recompute = "10ms" })
    host:main(function() assert.is_false(slow:set("large", ("x"):rep(64 * 1024))) end)
  end)

  it("says what is wrong with its options", function()
    for text, make in pairs {
      ["n is 15 at most"] = function() return weir.tinylfu { 16 } end,
      ["load is bytes a second over 0"] = function()
        return weir.cheaper { load = "fast", recompute = 1 }
      end,
      ["needs recompute = the time for a KiB"] = function()
        return weir.cheaper { load = 1 }
      end,
      ["seconds is a time over 0"] = function() return weir.age(-1) end,
      ["did you mean \"queue\"?"] = function() return weir.below(0.5, "queu") end,
    } do
      local ok, err = pcall(make)
      assert.is_false(ok)
      assert.is_truthy(tostring(err):find(text, 1, true), tostring(err))
    end
  end)
end)


describe("the predicate below of a queue", function()
  local store, held, tasks
  before_each(function()
    store, held = scripted.open { workers = 1, queue = 10 }
    held.hold, tasks = true, {}
    tasks[1] = weir.spawn(function() return store:set("running", "x") end)
    scripted.await(function() return held.calls == 1 end)
  end)
  after_each(function()
    held.hold = false
    store:close()
  end)

  local function set_later(tree, n)
    for i = 1, n do
      tasks[#tasks + 1] = weir.spawn(function() return tree:set("k" .. i, "x") end)
    end
  end

  local function results()
    held.hold = false
    local stored = {}
    for i, task in ipairs(tasks) do stored[i] = select(2, weir.join(task)) end
    return stored
  end

  it("says no while that share of it or more is full", function()
    local tree = store:admit(weir.below(0.5, "queue"))
    set_later(tree, 6)
    scripted.await(function()
      local tally = tree:tally()
      return tally.admitted + tally.refused == 6
    end)
    assert.same({ 5, 1 }, { tree:tally().admitted, tree:tally().refused })
    assert.same({ true, true, true, true, true, true, false }, results())
    assert.is_true(tree:set("later", "x"))
  end)

  it("asks the fullest queue of the stores below, by the bytes as well", function()
    local ram, seen = weir.memory {}, {}
    local far, script_of_far = scripted.open { workers = 1, queue_bytes = 100 }
    script_of_far.hold = true
    tasks[2] = weir.spawn(function() return far:set("running", "x") end)
    scripted.await(function() return script_of_far.calls == 1 end)
    tasks[3] = weir.spawn(function() return far:set("waiting", ("x"):rep(70)) end)
    set_later(store, 4)
    local tree = weir.mirror { ram, far, store }:admit(function(_, info)
      seen[#seen + 1] = info.queue
      return true
    end)
    set_later(tree, 1)
    scripted.await(function() return #seen == 1 end)
    script_of_far.hold = false
    results()
    assert.same({ 0.7 }, seen)
    far:close()
    ram:close()
  end)

  it("says yes for a store that has no queue", function()
    local ram = weir.memory {}
    local tree = ram:admit(weir.below(0.01, "queue"))
    assert.is_true(tree:set_many({ "a", "b", "c" }, { "1", "2", "3" }):all "ok")
    ram:close()
  end)
end)
