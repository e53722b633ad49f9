local fake = require "fake"
local script = require "fake.store"
local weir = require "weir"

describe("failover", function()
  local host, a, b
  before_each(function()
    host = fake.host()
    a, b = script.store(host, "a"), script.store(host, "b")
  end)
  after_each(fake.leave)

  it("sends only what is left to the next", function()
    a.data.x, a.faults.y, b.data.y, b.data.z = "1", "reset", "2", "3"
    host:main(function()
      local reply = weir.failover { a, b }:get_many { "x", "y", "z" }
      assert.same({ "ok", "ok", "miss" }, { reply[1], reply[2], reply[3] })
      assert.same({ "get y" }, b.log)
      reply = weir.failover { a, b, on = "miss" }:get_many { "x", "z" }
      assert.same({ "ok", "ok" }, { reply[1], reply[2] })
    end)
  end)

  it("is no miss while somebody had an error", function()
    a.down = "timeout"
    host:main(function()
      assert.equal("timeout", select(2, weir.failover { a, b }:get "k").code)
    end)
  end)

  it("stores where it can, with a shorter life away from home", function()
    local tree = weir.failover { a, b, ttl = 10 }
    host:main(function()
      a.down = "unavailable"
      assert(tree:set("k", "v", { ttl = 100 }))
      assert.equal(host.now() + 10, b.expires.k)
      a.down = nil
      assert(tree:set("k", "w", { ttl = 100 }))
      assert.equal(host.now() + 100, a.expires.k)
      assert.is_nil(b.data.k)
    end)
  end)

  it("never goes back to what the first held before it was down", function()
    local tree = weir.failover { a, b }
    host:main(function()
      assert(tree:set("k", "v1"))
      a.down = "unavailable"
      assert(tree:set("k", "v2"))
      a.down = nil
      assert.equal("v2", tostring(tree:get "k"))
    end)
  end)

  it("has no value that another store did not admit a newer one for", function()
    local tree = weir.failover { a:admit(weir.maxsize(2)), b:admit(weir.maxsize(2)) }
    host:main(function()
      for _, status in ipairs { "unavailable", "timeout" } do
        assert(tree:set("k", "v1"))
        a.down = status
        assert.is_false((tree:set("k", "too long")))
        a.down = nil
        assert.is_nil(tree:get_string "k")
        host.sleep(3)
        assert.same({}, { tree:get_string "k" })
        a.down = "unavailable"
        assert(tree:set("k", "v2")) -- b stands in
        a.down = nil
        assert.is_false((tree:set("k", "too long")))
        assert.same({}, { tree:get_string "k" })
      end
    end)
  end)

  it("deletes the old copies of a batch at once, in the caller's time", function()
    local tree = weir.failover { a, b, order = "least_failures" }:timeout(0.1)
    local keys = {}
    for i = 1, 20 do keys[i] = "k" .. i end
    b.takes = 1000
    host:main(function()
      local begun = host.now()
      assert.is_true(tree:set_many(keys, keys):all "good")
      assert.near(0.1, host.now() - begun, 1e-6)
    end)
    assert.equal(1, b.calls)
  end)

  -- Sets k1 to k3 while the first is down, as many as its stand-in has room for.
  local function fill(tree, opts)
    tree.stand_ins[2].most = 3
    a.down = "unavailable"
    for i = 1, 3 do assert(tree:set("k" .. i, "v", opts)) end
    assert.is_nil(tree:set("new", "v", opts))
  end

  it("says why a store cannot stand in for one more key, and counts it", function()
    local tree = weir.failover { a, b, stand_ins = 2 }
    a.down = "unavailable"
    host:main(function()
      assert(tree:set("k1", "v"))
      assert(tree:set("k2", "v"))
      local _, err = tree:set("k3", "v")
      assert.equal("unavailable", err.code)
      assert.equal("a: scripted; failover: b cannot stand in, it does for 2 keys "
        .. "already (stand_ins = 2)", err.message)
      assert(tree:set("k1", "w"))
    end)
    local tally = tree:tally()
    assert.same({ 2, 1 }, { tally.stand_ins, tally.stand_ins_refused })
    assert.is_nil(b.data.k3)
  end)

  it("acknowledges no set that makes more copies old than it can note", function()
    local tree = weir.failover { a, b, old_copies = 1 }
    a.down = "unavailable"
    host:main(function()
      assert(tree:set("k1", "v"))
      local _, err = tree:set("k2", "v")
      assert.equal("nospace", err.code)
      assert.matches("1 old copies wait to be deleted from a", err.message)
      assert.matches("%(old_copies = 1%)", err.message)
    end)
    assert.equal(1, tree:tally().old_copies_refused)
  end)

  it("forgets who stood in for a key once its copy has expired", function()
    for _, ttl in ipairs { false, 60 } do
      local tree = weir.failover { a, b, ttl = ttl or nil }
      host:main(function()
        fill(tree, { ttl = 60 })
        host.sleep(3600)
        assert(tree:set("new", "v"))
      end)
    end
  end)

  it("does not forget it while a touch keeps the copy", function()
    local tree = weir.failover { a, b, ttl = 60 }
    host:main(function()
      fill(tree)
      for i = 1, 3 do tree:touch("k" .. i, 10000) end
      host.sleep(3600)
      assert.is_nil(tree:set("new", "v"))
    end)
  end)

  it("forgets it once the stand-in misses the key", function()
    local tree = weir.failover { a, b }
    host:main(function()
      fill(tree)
      host.sleep(3600)
      a.down, b.data.k1 = nil, nil
      tree:get_many { "k1", "k2" }
      a.down = "unavailable"
      assert(tree:set("new", "v"))
      assert.is_nil(tree:set("newer", "v"))
    end)
  end)

  it("forgets it in no race with a set that is on its way", function()
    local tree = weir.failover { a, b }
    host:main(function()
      a.down = "unavailable"
      function b.takes(req) return req.op == "set" and 100 or 0 end
      host.spawn(function() assert(tree:set("k", "v")) end)
      host.sleep(90)
      tree:get "k"
      host.sleep(20)
      a.down = nil
      assert.equal("v", tostring(tree:get "k"))
    end)
  end)

  it("touches no old copy in place of a value that is gone", function()
    a.data.k = "old"
    local tree = weir.failover { a, b }
    host:main(function()
      a.down = "unavailable"
      assert(tree:set("k", "v", { ttl = 5 }))
      a.down = nil
      host.sleep(6)
      assert.is_false(tree:touch("k", 100))
    end)
    assert.is_nil(a.expires.k)
  end)

  it("deletes everywhere", function()
    a.data.k, b.data.k = "1", "1"
    host:main(function()
      assert.is_true(weir.failover { a, b }:delete "k")
      a.down = "busy"
      assert.equal("busy", select(2, weir.failover { a, b }:delete "k").code)
    end)
    assert.is_nil(b.data.k)
  end)

  it("can begin with whoever failed least", function()
    local tree = weir.failover { a, b, order = "least_failures" }
    a.down, b.data.k = "reset", "v"
    host:main(function()
      for _ = 1, 5 do tree:get "k" end
    end)
    assert.equal(1, a.calls)
    assert.equal(5, b.calls)
  end)

  -- ---- what goes on, where, and how much ----

  it("goes on after the statuses that it is told, and no others", function()
    b.data.x, b.data.y, b.data.z = "1", "2", "3"
    a.faults.x, a.faults.y = "unavailable", "corrupt"
    host:main(function()
      local tree = weir.failover { a, b, on = { "unavailable", "timeout" } }
      local reply = tree:get_many { "x", "y", "z" }
      assert.same({ "ok", "corrupt", "miss" }, { reply[1], reply[2], reply[3] })
      tree = weir.failover { a, b, on = { "corrupt", "miss" } }
      reply = tree:get_many { "x", "y", "z" }
      assert.same({ "unavailable", "ok", "ok" }, { reply[1], reply[2], reply[3] })
      a.down = "denied"
      assert.equal("denied", select(2, tree:set("k", "v")).code)
      assert.is_nil(b.data.k)
      assert.matches("on = corrupt, miss", tree:explain("get", "k")[1].why)
    end)
    assert.error_matches(function() weir.failover { a, b, on = { "misss" } } end,
      "failover: on is a list of error statuses, not \"misss\"")
  end)

  it("asks max_tries stores at most, of those that the key could be in", function()
    local c = script.store(host, "c", { data = { k = "v" } })
    a.down, b.down = "unavailable", "busy"
    local tree = weir.failover { a, b, c, max_tries = 2 }
    host:main(function()
      assert.equal("busy", select(2, tree:get "k").code)
      assert.equal("busy", select(2, tree:set("k", "w")).code)
      assert.equal(0, c.calls)
      assert.matches("2 at most", tree:explain("get", "k")[1].why)
    end)
    -- With least_failures the order changes, so a miss says nothing about the others.
    a.down, b.down = nil, nil
    tree = weir.failover { a, b, c, max_tries = 1, order = "least_failures" }
    host:main(function() assert.equal("v", tostring(tree:get "k")) end)
  end)

  it("sends on no more keys than its budget allows", function()
    a.down = "unavailable"
    local tree = weir.failover { a, b, budget = 0.1 }
    host:main(function()
      for i = 1, 500 do tree:get("k" .. i) end
      for i = 1, 500 do tree:set("s" .. i, "v") end
    end)
    assert.is_true(b.asked >= 100 and b.asked <= 110, b.asked)
    assert.equal(1000 - b.asked, tree:tally().over_budget)
    a.down = nil
    host:main(function() assert.is_nil((select(2, tree:get "k1"))) end)
  end)

  it("can tell the errors of all stores as misses, which are marked", function()
    local tree = weir.failover { a, b, fail_open = true }
    a.down, b.down = "timeout", "unavailable"
    host:main(function()
      local reply = tree:get_many { "k" }
      assert.equal("miss", reply[1])
      assert.is_true(reply.degraded[1])
      assert.equal("unavailable", select(2, tree:set("k", "v")).code)
      assert.has_error(function() for _ in tree:scan {} do error "no" end end)
    end)
    assert.equal(1, tree:tally().degraded)
  end)

  it("gives each key an order of its own with hash", function()
    local stores, tree = {}, { order = "hash" }
    for i = 1, 4 do
      stores[i] = script.store(host, "s" .. i)
      tree[i] = stores[i]
    end
    tree = weir.failover(tree)
    local keys, values = {}, {}
    for i = 1, 1200 do keys[i], values[i] = "k" .. i, "v" .. i end
    local function held()
      local counts = {}
      for i, store in ipairs(stores) do
        counts[i] = 0
        for _ in pairs(store.data) do counts[i] = counts[i] + 1 end
      end
      return counts
    end
    host:main(function()
      assert.is_true(tree:set_many(keys, values):all "good")
      for _, n in ipairs(held()) do assert.is_true(n > 200 and n < 400, n) end
      local before = held()
      stores[2].data, stores[2].down = {}, "unavailable"
      assert.is_true(tree:set_many(keys, values):all "good")
      -- The keys of the one that is down spread over all others.
      for i, n in ipairs(held()) do
        local more = n - (i == 2 and 0 or before[i])
        assert.is_true(i == 2 and n == 0 or more > 50, i .. ": " .. more)
      end
      local reply = tree:get_many(keys)
      for i = 1, #keys do assert.equal(values[i], reply:string(i)) end
      stores[2].down = nil
      assert.is_true(tree:set_many(keys, values):all "good")
      assert.same(before, held())
    end)
  end)

  it("tries the stores in the order that explain tells", function()
    local c = script.store(host, "c")
    local tree = weir.failover { a, b, c, order = "hash" }
    host:main(function()
      for i = 1, 30 do
        local key, order = "k" .. i, {}
        for k, step in ipairs(tree:explain("get", key)) do
          if k > 1 then order[#order + 1] = step.name end
        end
        local asked = {}
        for _, store in ipairs { a, b, c } do
          store.script = function()
            asked[#asked + 1] = store.name
            return "reset"
          end
        end
        tree:get(key)
        assert.same(order, asked)
      end
    end)
  end)

  it("says which store answered, in reply and trace", function()
    a.data.x, a.faults.y, b.data.y = "1", "reset", "2"
    host:main(function()
      local tree = weir.failover { a, b }
      local reply = tree:get_many { "x", "y", "z" }
      assert.same({ 1, 2 }, { reply:level(1), reply:level(2) })
      assert.is_nil(reply:level(3))
      local steps = tree:trace "y"
      assert.equal("[1] leaves 1 of 1", steps[1].decision)
      assert.equal(2, steps[1].level)
      a.down = "unavailable"
      reply = tree:set_many({ "x" }, { "3" })
      assert.equal(2, reply:level(1))
      -- The child counts, not the tier below it.
      a.down, b.data.w = nil, "4"
      reply = weir.failover { weir.tier { a, b }, b }:get_many { "w" }
      assert.equal(1, reply:level(1))
    end)
  end)
end)
