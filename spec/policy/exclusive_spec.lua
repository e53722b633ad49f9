-- exclusive of tier: a value is in one of two stores, in turn.
local fake = require "fake"
local script = require "fake.store"
local weir = require "weir"

local host, low, top

-- A memory that keeps n values.
local function ram(n)
  return weir.memory { capacity_items = n, eviction = "fifo", shards = 1 }
end

local function pair(n, options)
  host, top = fake.host(), ram(n)
  low = script.store(host, "low")
  local given = { top, low, demote = weir.always, exclusive = true }
  for name, value in pairs(options or {}) do given[name] = value end
  return weir.tier(given)
end

describe("tier, exclusive,", function()
  after_each(fake.leave)

  it("moves a value up when it is read, and down when it is evicted", function()
    local tree = pair(1)
    host:main(function()
      assert(tree:set_many({ "a", "b" }, { "1", "2" }):all "good")
      assert.same({ a = "1", b = "2" }, low.data)
      assert.equal("1", tostring(tree:get "a"))
      host.sleep(1)
      assert.same({ b = "2" }, low.data)
      assert.equal("1", tostring(top:get "a"))
      assert.equal("2", tostring(tree:get "b"))
      host.sleep(1)
      assert.same({ a = "1" }, low.data)
      assert.equal("2", tostring(top:get "b"))
    end)
    assert.equal(2, tree:tally().promotions.stored)
    assert.equal(1, tree:tally().demotions.stored)
  end)

  it("has room for what both stores have room for together", function()
    local tree, keys, values = pair(40), {}, {}
    for i = 1, 100 do keys[i], values[i] = "k" .. i, "value " .. i end
    host:main(function()
      tree:set_many(keys, values)
      for turn = 1, 3 do
        for first = 1, 100, 20 do
          local reply = tree:get_many { unpack(keys, first, first + 19) }
          assert.is_true(reply:all "good", turn .. " " .. first)
          host.sleep(1)
        end
        local n = 0
        for _ in pairs(low.data) do n = n + 1 end
        assert.equal(60, n)
      end
      local listed = {}
      for key in tree:scan {} do listed[key] = true end
      for i = 1, 100 do assert.is_true(listed[keys[i]], keys[i]) end
    end)
  end)

  it("keeps below what the first store cannot keep", function()
    local tree, keys, values = pair(2), {}, {}
    for i = 1, 10 do keys[i], values[i] = "k" .. i, "v" end
    host:main(function()
      tree:set_many(keys, values)
      for _ = 1, 3 do
        assert.is_true(tree:get_many(keys):all "good")
        host.sleep(1)
      end
      assert.is_true(tree:tally().promotions.rejected > 0)
    end)
  end)

  it("answers with values that are on their way down", function()
    local tree = pair(1)
    host:main(function()
      tree:set_many({ "a", "b" }, { "1", "2" }, { ttl = 60 })
      tree:get "a"
      host.sleep(1)
      host:hold "low.exists"
      tree:get "b"
      host.sleep(1)
      assert.is_nil(low.data.a)
      assert.is_nil(top:get "a")
      assert.equal("1", tostring(tree:get "a"))
      assert.is_true(tree:exists "a")
      local left = tree:stat "a".ttl -- the memory's clock is the real one
      assert.is_true(left > 55 and left < 59.1, left)
      host.sleep(100)
      assert.is_nil(tree:get "a")
      host:release "low.exists"
    end)
  end)

  it("forgets those on their way down when they are deleted or set", function()
    local tree = pair(1)
    host:main(function()
      tree:set_many({ "a", "b", "c" }, { "1", "2", "3" })
      for _, key in ipairs { "a", "b" } do
        tree:get(key)
        host.sleep(1)
      end
      host:hold "low.exists"
      tree:get "c" -- evicts b, whose demotion stops
      host.sleep(1)
      tree:get "a" -- evicts c, which waits
      host.sleep(1)
      assert.equal("3", tostring(tree:get "c"))
      tree:delete "c"
      assert.is_nil(tree:get "c")
      host:release "low.exists"
      host.sleep(1)
      assert.is_nil(tree:get "c")
      assert.equal("2", tostring(tree:get "b"))
    end)
  end)

  it("waits for another copy of a key that it moves down", function()
    local tree = pair(1)
    host:main(function()
      tree:set_many({ "a", "b" }, { "1", "2" })
      tree:get "a"
      host.sleep(1)
      assert(tree.generations:try("a", "copy"))
      tree:get "b"
      host.sleep(1)
      assert.is_nil(low.data.a)
      tree.generations:free "a"
      host.sleep(1)
      assert.equal("1", low.data.a)
    end)
  end)

  it("touches a value wherever it is", function()
    local tree = pair(1)
    host:main(function()
      tree:set_many({ "busy", "a", "b" }, { "0", "1", "2" })
      tree:get "busy"
      host.sleep(1)
      assert.is_true(tree:touch("busy", 50))
      assert.is_true(tree:touch("b", 60))
      host:hold "low.exists"
      for _, key in ipairs { "a", "b" } do
        tree:get(key)
        host.sleep(1)
      end
      assert.is_true(tree:touch("a", 90))
      assert.is_false(tree:touch("c", 90))
      host:release "low.exists"
      host.sleep(60)
      assert.equal("1", tostring(tree:get "a"))
      assert.is_true(tree:delete "a")
      assert.is_nil(tree:get "a")
    end)
  end)

  it("moves in the first two of three stores", function()
    host, top = fake.host(), ram(1)
    low = script.store(host, "low")
    local far = script.store(host, "far", { data = { a = "1", b = "2" } })
    local tree = weir.tier { top, low, far, demote = weir.always, exclusive = true }
    host:main(function()
      tree:get "a"
      host.sleep(1)
      assert.same({}, low.data)
      tree:get "b"
      host.sleep(1)
      assert.same({ a = "1" }, low.data)
      assert(tree:set("a", "new"))
      assert.same({}, low.data)
      assert.equal("new", tostring(tree:get "a"))
    end)
  end)

  it("is refused where it cannot be", function()
    host = fake.host()
    low = script.store(host, "low")
    for _, case in ipairs {
      { { ram(1), low, exclusive = true }, "exclusive needs demote" },
      { { ram(1), low, exclusive = true, demote = weir.always, write = "through" },
        "a set goes around an exclusive pair" },
      { { ram(1), low, exclusive = true, demote = weir.always, stale_while = 1 },
        "keeps no old copies" },
      { { low, ram(1), low, exclusive = true, demote = weir.always },
        "the first store of an exclusive pair is a memory" },
    } do
      assert.error_matches(function() weir.tier(case[1]) end, case[2], 1, true)
    end
  end)
end)

describe("tier, exclusive, in every order of events,", function()
  after_each(fake.leave)

  -- A get takes any time on its way and back, a set and a delete take effect at once,
  -- and their replies take any time. That leaves few enough orders.
  local function answer_late(world)
    local await = world.await
    function world.await(self, name)
      local op, reply = name:match "%.(%l+)(.*)$"
      if op == "get" or reply ~= "" and (op == "set" or op == "delete") then
        await(self, name)
      end
    end
  end

  -- Runs fn(tree) beside a reader of a, which moves it up. Afterwards each value is in
  -- one store.
  local function race(fn, values)
    return fake.orders(function(world)
      answer_late(world)
      local store = script.store(world, "low", { data = { a = "1", b = "2" } })
      local first = ram(1)
      local tree = weir.tier { first, store, demote = weir.always, exclusive = true }
      world:main(function()
        world.spawn(fn, tree)
        tree:get "a"
      end)
      assert(next(tree.generations.locked) == nil, "a lock was left over")
      assert(next(tree.demotion.pending) == nil, "a demotion was left over")
      for key, value in pairs(values) do
        local up, down = first:get(key), store.data[key]
        assert(not (up and down), key .. " is in both stores")
        assert((up and tostring(up) or down or false) == value, key)
      end
    end, { limit = 20000 })
  end

  it("a reader finds a value that is moved up or down", function()
    local orders = 0
    for _, keys in ipairs { { "a" }, { "b" }, { "a", "a" } } do
      orders = orders + race(function(tree)
        for _, key in ipairs(keys) do assert(tree:get(key), key .. " is lost") end
      end, { a = "1", b = "2" })
    end
    assert.is_true(orders > 100, orders)
  end)

  it("a set wins over a move", function()
    race(function(tree) assert(tree:set("a", "new")) end, { a = "new", b = "2" })
  end)

  it("a delete wins over a move", function()
    race(function(tree)
      tree:delete "a"
      assert(tree:get "a" == nil, "the value came back")
    end, { a = false, b = "2" })
  end)
end)
