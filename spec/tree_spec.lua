-- A tree as it is shown: paths, explain, trace, stats, the drawing.

local fake = require "fake"
local script = require "fake.store"
local Paths = require "weir.observe.paths"
local weir = require "weir"

describe("a tree", function()
  local host, near, far, tree
  before_each(function()
    host = fake.host()
    near, far = script.store(host, "near"), script.store(host, "far")
    tree = weir.route { ["x/"] = near, default = weir.tier { near, far:retry { 1 } } }
  end)
  after_each(fake.leave)

  it("has a path for each store", function()
    local paths = Paths.of(tree)
    local list = {}
    for i, place in ipairs(paths.list) do list[i] = place.path end
    assert.same({ "route", "default.tier", "default.tier[1].near",
      "default.tier[2].retry", "default.tier[2].retry.far", '["x/"].near' }, list)
    assert.equal("default.tier[1].near", paths.path[near])
    assert.equal(near, paths.store['["x/"].near'])
    assert.equal(far, paths.store["default.tier[2].retry.far"])
  end)

  it("tells two nodes of one path apart", function()
    local paths = Paths.of(far:retry { 1 }:retry { 2 })
    assert.is_truthy(paths.store["retry"])
    assert.is_truthy(paths.store["retry#2"])
  end)

  it("draws itself", function()
    assert.equal(table.concat({ "route", "  default = tier", "    1 = near",
      "    2 = retry", "      far", "  x/ = near" }, "\n"), tostring(tree:tree()))
  end)

  it("explains without asking", function()
    local steps = tree:explain("get", "k")
    assert.equal("route", steps[1].path)
    assert.equal("default.tier", steps[2].path)
    assert.equal(0, far.calls)
    assert.error_matches(function() tree:explain("fetch", "k") end, "takes an op")
  end)

  it("traces what happened at each node", function()
    far.data.k, far.faults.k = "value", { "reset" }
    local steps, reply
    host:main(function() steps, reply = tree:trace "k" end)
    assert.equal("ok", reply[1])
    local seen = {}
    for i, step in ipairs(steps) do seen[i] = step.path .. " " .. step.status end
    assert.same({ "route ok", "default.tier ok", "default.tier[2].retry ok" }, seen)
    assert.equal("level 1 has 0 of 1", steps[2].decision)
    assert.matches("attempt 2 after", steps[3].decision)
    assert.equal(2, steps[3].attempts)
    assert.equal(2, steps[2].level)
    assert.equal(5, steps[1].bytes)
    assert.is_true(steps[3].seconds > 0)
  end)

  it("traces C stores, too", function()
    local ram = weir.memory {}
    local over = ram:meter "m"
    assert(over:set("k", "v"))
    local steps = over:trace "k"
    assert.same({ "m", "memory" }, { steps[1].path, steps[2].path })
    assert.matches("memory +get +ok", tostring(steps))
    ram:close()
  end)

  it("counts by node: ops, statuses, keys, bytes, seconds", function()
    far.data.k, far.takes = "value", 0.01
    host:main(function()
      tree:get_many { "k", "none", "x/1" }
      tree:set("k", "12")
    end)
    local stats = tree:stats()
    assert.same({ ok = 1, miss = 2 }, stats["route"].ops.get.status)
    local get = stats["default.tier"].ops.get
    assert.same({ 1, 2, 5 }, { get.batches, get.keys, get.bytes })
    assert.is_true(get.service.mean > 0.009 and get.service.p99 > 0.009)
    assert.is_true(get.service.p50 <= get.service.max)
    assert.equal(2, stats["default.tier"].ops.set.bytes)
    assert.same({ 0, 1 }, stats["default.tier"].hits)
    assert.equal(1, get.service.count)
  end)

  describe("with a store in two places", function()
    local shared
    before_each(function()
      shared = far:retry { 1 }
      tree = weir.route { ["x/"] = shared, default = weir.tier { near, shared } }
    end)

    it("explains the way to each", function()
      local twice = weir.tier { weir.prefix(far, "a/"), weir.prefix(far, "b/") }
      local list = {}
      for i, step in ipairs(twice:explain("get", "k")) do
        list[i] = step.path .. " " .. step.depth
      end
      assert.same({ "tier 0", "[1].prefix 1", "[1].prefix.far 2", "[2].prefix 1",
        "[2].prefix.far 2" }, list)
      assert.equal('["x/"].retry.far', tree:explain("get", "x/1")[3].path)
    end)

    it("traces the place that was asked", function()
      host:main(function()
        assert.equal('["x/"].retry', (tree:trace "x/1")[2].path)
        assert.equal("default.tier[2].retry", (tree:trace "k")[3].path)
      end)
    end)

    it("counts it once, in its first place", function()
      host:main(function() tree:get_many { "k", "x/1" } end)
      local stats = tree:stats()
      assert.equal(2, stats["default.tier[2].retry"].ops.get.keys)
      assert.is_nil(stats['["x/"].retry'])
    end)

    it("is drawn in a bounded time, however much it shares", function()
      local root = weir.memory {}
      local ram = root
      for _ = 1, 40 do root = weir.tier { root, root } end
      assert.is_true(#Paths.of(root).list < 2100)
      assert.equal("tier", root:tree().path)
      assert.is_true(#root:explain("get", "k") <= 2000)
      ram:close()
    end)
  end)

  it("closes each C store once", function()
    local ram = weir.memory {}
    local both = weir.route { a = ram, default = weir.tier { ram, weir.memory {} } }
    both:close()
    assert.equal("skipped", select(2, ram:get "k").code)
    both:close()
  end)
end)
