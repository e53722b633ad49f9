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
end)
