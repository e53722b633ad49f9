-- peek and purge: looking at a cache and emptying it.
local fake = require "fake"
local script = require "fake.store"
local weir = require "weir"

local host, top, far, calls
local function setup_stores()
  host, calls = fake.host(), 0
  top, far = script.store(host, "top"), script.store(host, "far")
end

local function database()
  return weir.origin(function(keys)
    calls = calls + 1
    return { [keys[1]] = "row" }
  end)
end

describe("peek", function()
  before_each(setup_stores)
  after_each(fake.leave)

  it("makes no copies, and says who has the value and for how long", function()
    local tree = weir.tier { top, far }
    host:main(function()
      far:set("a", "1", { ttl = 8 })
      host.sleep(3)
      local value, err, facts = tree:peek "a"
      assert.equal("1", tostring(value))
      assert.is_nil(err)
      assert.same({ ttl = 5, stale = false, level = 2 }, facts)
      host.sleep(0)
      assert.equal(0, top:count "set")
      far:set("b", "2")
      assert.same({ stale = false, level = 2 }, (select(3, tree:peek "b")))
    end)
  end)

  it("calls no loader, and leaves nothing that says that a key is absent", function()
    local tree = weir.tier { top, database() }:negative { ttl = 60 }:coalesce()
    host:main(function()
      assert.same({}, { tree:peek "a" })
      assert.equal(0, calls)
      assert.equal("row", tostring(tree:get "a"))
      assert.same({ "row" }, { tostring(tree:peek "a") })
    end)
  end)

  it("shows a value past its time, and begins no refresh", function()
    local tree = far:ttl(10, { stale = 20 })
    host:main(function()
      tree:set("a", "old")
      host.sleep(11)
      for _ = 1, 2 do
        local value, _, facts = tree:peek "a"
        assert.equal("old", tostring(value))
        assert.same({ ttl = -1, stale = true, level = 1 }, facts)
      end
      assert.is_nil(tree:get "a")
    end)
  end)

  it("knows the time of values that fetch has loaded", function()
    host:main(function()
      far:fetch("a", function() return "v" end, { ttl = 10, stale_while = 100 })
      host.sleep(4)
      assert.equal(6, select(3, far:peek "a").ttl)
      host.sleep(7)
      assert.same({ ttl = -1, stale = true, level = 1 }, (select(3, far:peek "a")))
      assert.equal(1, far:count "set")
    end)
  end)

  it("tells errors", function()
    far.down = "unavailable"
    host:main(function()
      assert.equal("unavailable", select(2, far:peek "a").code)
    end)
  end)
end)

describe("purge", function()
  before_each(setup_stores)
  after_each(fake.leave)

  it("removes a value from all stores above the origin", function()
    local tree = weir.tier { top, far, database() }
    host:main(function()
      tree:get "a"
      host.sleep(0)
      assert.same({ "row", "row" }, { top.data.a, far.data.a })
      assert.equal("unsupported", select(2, tree:delete "a").code)
      tree:get "a"
      host.sleep(0)
      assert.is_true(tree:purge "a")
      assert.same({}, { top.data.a, far.data.a })
      assert.is_false(tree:purge "a")
      assert.equal("row", tostring(tree:get "a"))
    end)
  end)

  it("forgets that a value is absent", function()
    local rows = {}
    local tree = weir.origin(function() return rows end):negative { ttl = 60 }
    host:main(function()
      assert.is_nil(tree:get "a")
      assert.is_nil(far:fetch("b", function() end, { neg_ttl = 60 }))
      rows.a = "new"
      assert.is_nil(tree:get "a")
      assert.is_false(tree:purge "a")
      assert.equal("new", tostring(tree:get "a"))
      far:purge_many { "b", "c", "b" }
      assert.equal("v", tostring(far:fetch("b", function() return "v" end)))
    end)
  end)

  it("wins over a load that began before, in every order", function()
    fake.orders(function(world)
      local store, source = script.store(world, "store"), "old"
      world:main(function()
        store:fetch("another", function() return "v" end)
        world.spawn(function()
          store:fetch("k", function()
            local value = source
            world:await "loader"
            return value
          end)
        end)
        source = "new"
        store:purge "k"
      end)
      assert(store.data.k ~= "old", "the old value came back")
    end)
  end)
end)
