local fake = require "fake"
local script = require "fake.store"
local weir = require "weir"

describe("tier", function()
  local host, top, far
  before_each(function()
    host = fake.host()
    top, far = script.store(host, "top"), script.store(host, "far")
  end)
  after_each(fake.leave)

  it("asks the next level only for what is left, and says who answered", function()
    top.data.a, far.data.b = "1", "2"
    host:main(function()
      local reply = weir.tier { top, far, promote = weir.never }
        :get_many { "a", "b", "c" }
      assert.same({ "ok", "ok", "miss" }, { reply[1], reply[2], reply[3] })
      assert.same({ 1, 2 }, { reply:level(1), reply:level(2) })
      assert.same({ "get b,c" }, far.log)
    end)
  end)

  it("goes past a level that fails, and takes the authority's word", function()
    top.down, far.data.a = "timeout", "1"
    host:main(function()
      local reply = weir.tier { top, far }:get_many { "a", "b" }
      assert.same({ "ok", "miss" }, { reply[1], reply[2] })
    end)
  end)

  it("can tell errors as misses, which are tagged and remembered by nobody", function()
    far.down = "unavailable"
    local tree = weir.tier { top, far, fail_open = true }
    host:main(function()
      local reply = tree:negative():get_many { "a" }
      assert.equal("miss", reply[1])
      assert.is_true(reply.degraded[1])
      far.down, far.data.a = nil, "1"
      assert.equal("1", tostring(tree:get "a"))
    end)
    assert.equal(1, tree:tally().degraded)
  end)

  it("promotes what was found below, with the time it has left", function()
    host:main(function()
      far:set("a", "1", { ttl = 8 })
      host.sleep(3)
      weir.tier { top, far }:get "a"
      host.sleep(0)
      assert.equal("1", top.data.a)
      assert.is_true(top.expires.a <= far.expires.a + 0.01)
    end)
  end)

  it("promotes to a level only where the predicate says so", function()
    local tree = weir.tier { top, far, promote = weir.all(weir.hits(2),
      weir.maxsize(3)) }
    far.data.a, far.data.b = "123", "1234"
    host:main(function()
      tree:get_many { "a", "b" }
      assert.is_nil(top.data.a)
      tree:get_many { "a", "b" }
      assert.equal("123", top.data.a)
      assert.is_nil(top.data.b)
    end)
  end)

  it("counts hits for ever, or since the key came to the level below", function()
    for since, copied in pairs { ever = "123", resident = false } do
      local low = script.store(host, "low")
      local tree = weir.tier { top, low,
        promote = weir.any(weir.hits(2, since), weir.never) }
      host:main(function()
        low.data.a = "123"
        tree:get "a"
        low.data.a = nil
        assert.is_nil(tree:get "a")
        low.data.a = "123"
        tree:get "a"
        assert.equal(copied, top.data.a or false, since)
        tree:get "a"
        assert.equal("123", top.data.a)
        top.data.a = nil
      end)
    end
  end)

  it("goes on counting the hits of a key that the level below fails to read", function()
    local tree = weir.tier { top, far, promote = weir.hits(2, "resident") }
    far.data.a, far.data.b = "1", "2"
    host:main(function()
      tree:get_many { "a", "b" }
      far.faults.a = { "timeout" }
      far.data.b = nil
      local reply = tree:get_many { "a", "b" }
      assert.same({ "timeout", "miss" }, { reply[1], reply[2] })
      far.data.b = "2"
      tree:get_many { "a", "b" }
      assert.same({ a = "1" }, top.data)
    end)
  end)

  it("refuses another way of counting hits", function()
    assert.error_matches(function() weir.hits(2, "residing") end,
      'since is one of "ever", "resident", not "residing"; did you mean "resident"?', 1,
      true)
  end)

  it("gives a function the facts of the key", function()
    local seen
    local tree = weir.tier { top, far, promote = function(key, info)
      seen = { key, info.size, info.level, info.hits, info.batch }
      return false
    end }
    far.data.a = "123"
    host:main(function() tree:get_many { "a", "b" } end)
    assert.same({ "a", 3, 2, 1, 2 }, seen)
  end)

  it("promotes what was read into a buffer", function()
    far.data.a = "123"
    host:main(function()
      assert.equal(3, weir.tier { top, far }:get_into("a", require "ffi".new "char[8]"))
    end)
    assert.equal("123", top.data.a)
  end)

  it("does not promote for exists", function()
    far.data.a = "1"
    host:main(function() assert.is_true(weir.tier { top, far }:exists "a") end)
    assert.is_nil(top.data.a)
  end)

  it("writes through: the authority decides, a failing copy goes", function()
    top.faults.b, far.faults.c = "busy", "nospace"
    top.data.c = "old"
    host:main(function()
      local keys = { "a", "b", "c" }
      local reply = weir.tier { top, far }:set_many(keys, keys)
      assert.same({ "ok", "ok", "nospace" }, { reply[1], reply[2], reply[3] })
    end)
    assert.same({ a = "a" }, top.data)
    assert.same({ a = "a", b = "b" }, far.data)
  end)

  it("writes around: upper copies go, none is made", function()
    top.data.a = "old"
    host:main(function()
      assert(weir.tier { top, far, write = "around" }:set("a", "new"))
    end)
    assert.is_nil(top.data.a)
    assert.equal("new", far.data.a)
  end)

  it("passes a level by while it holds a copy that could not be deleted", function()
    local tree = weir.tier { top, far }
    host:main(function()
      assert(tree:set("a", "v1"))
      top.down = "unavailable"
      assert(tree:set("a", "v2"))
      top.down = nil
      host:hold "top.delete"
      assert.equal("v2", tostring(tree:get "a"))
      host:release "top.delete"
      host.sleep(1)
      assert.equal("v2", tostring(tree:get "a"))
      assert.equal(0, tree:tally().old_copies)
    end)
  end)

  it("keeps the caller's time while it cleans up, and goes on later", function()
    local tree = weir.tier { top, far }:timeout(0.1)
    top.data.a, top.takes = "old", 1000
    host:main(function()
      local begun = host.now()
      assert(tree:set("a", "new"))
      assert.near(0.1, host.now() - begun, 1e-6)
      top.takes = nil
      assert.equal("new", tostring(tree:get "a"))
      assert(top.data.a ~= "old")
    end)
  end)

  it("holds up the writes of one key for a moment while a clean-up hangs", function()
    local tree, keys, late = weir.tier { top, far }, { "a", "b", "c" }, 0
    host:main(function()
      top.down = "unavailable"
      tree:set_many(keys, keys)
      top.down, top.takes = nil, 1000
      tree:get "a"
      for _, key in ipairs(keys) do
        host.spawn(function()
          if not tree:set(key, "v2", { timeout = 0.5 }) then late = late + 1 end
        end)
      end
      assert.is_true(tree:set_many(keys, keys, { timeout = 2 }):all "good")
    end)
    assert.equal(1, late)
  end)

  it("cleans up past a key that cannot be deleted", function()
    local keys = { "a", "b", "c" }
    for _, stuck in ipairs(keys) do
      local tree = weir.tier { top, far }
      host:main(function()
        top.down = "unavailable"
        tree:set_many(keys, keys)
        top.down = nil
        function top.script(op, key)
          return op == "delete" and key == stuck and "denied"
        end
        tree:get "a"
        assert.equal(1, tree:tally().old_copies)
      end)
    end
  end)

  it("cleans up although nobody reads", function()
    local tree = weir.tier { top, far }
    host:main(function()
      top.down = "unavailable"
      assert(tree:set("a", "v1"))
      top.down, top.faults.b = nil, { "busy" }
      assert(tree:set("b", "v1"))
      assert.equal(0, tree:tally().old_copies)
    end)
  end)

  it("deletes bottom-up; it was there if any level had it", function()
    top.data.a, far.data.b = "1", "2"
    host:main(function()
      local reply = weir.tier { top, far }:delete_many { "a", "b", "c" }
      assert.same({ "ok", "ok", "miss" }, { reply[1], reply[2], reply[3] })
    end)
    assert.same({}, top.data)
    assert.same({}, far.data)
  end)

  it("changes the time to live everywhere, or drops the copy", function()
    top.data.a, far.data.a, far.data.b, top.data.b = "1", "1", "2", "2"
    top.faults.b = "failed"
    host:main(function()
      local reply = weir.tier { top, far }:touch_many({ "a", "b" }, 5)
      assert.is_true(reply:all "good")
    end)
    assert.equal(far.expires.a, top.expires.a)
  end)

  it("counts hits by level, and promotions by outcome", function()
    top.data.a, far.data.b = "1", "2"
    local tree = weir.tier { top, far }
    host:main(function() tree:get_many { "a", "b", "c" } end)
    local tally = tree:tally()
    assert.same({ 1, 1 }, tally.hits)
    assert.same({ 2, 1 }, tally.misses)
    assert.equal(1, tally.promotions.stored)
  end)

  it("says which way a key would go, without going", function()
    local tree = weir.tier { top, far, write = "around" }
    assert.matches("write%-around", tree:explain("set", "k")[1].why)
    assert.matches("asks %[1%]", tree:explain("get", "k")[1].why)
    assert.equal(0, top.calls)
  end)

  it("needs two stores and known options", function()
    assert.error_matches(function() weir.tier { top } end, "at least 2 stores")
    assert.error_matches(function() weir.tier { top, 7 } end, "item 2 is a store")
    assert.error_matches(function() weir.tier { top, far, promot = 1 } end,
      'did you mean "promote"')
    assert.error_matches(function() weir.tier { top, far, write = "thru" } end,
      "write is one of")
  end)

  it("drops and counts copies over the bound of those that wait", function()
    local tree, keys = weir.tier { top, far, promote_queue = 4 }, {}
    for i = 1, 10 do
      keys[i] = "k" .. i
      far.data[keys[i]] = "v"
    end
    host:main(function() tree:get_many(keys) end)
    local counts = tree:tally().promotions
    assert.same({ 6, 4 }, { counts.dropped, counts.stored })
  end)

  it("counts the keys whose hits it forgets, and makes no copy of them", function()
    local tree = weir.tier { top, far, promote = weir.hits(2), seen = 2 }
    host:main(function()
      for _, key in ipairs { "a", "b", "c", "d", "e", "f", "a" } do
        far.data[key] = "v"
        tree:get(key)
      end
    end)
    assert.same({}, top.data)
    assert.is_true(tree:tally().forgotten >= 3)
  end)

  it("acknowledges no write whose old copies it has no room to note", function()
    local tree = weir.tier { top, far, old_copies = 1 }
    top.down = "unavailable"
    host:main(function()
      assert(tree:set("a", "1"))
      local _, err = tree:set("b", "2")
      assert.equal("unavailable", err.code)
      assert.matches("no room for one more %(old_copies = 1%)", err.message)
      assert.equal(1, tree:tally().old_copies_refused)
    end)
  end)

  describe("over an authority that is slower than its callers", function()
    local tree, told

    before_each(function()
      far = script.store(host, "far", { takes = 0.01 })
      tree, told = weir.tier { top, far }, {}
    end)

    -- Starts a write as a task; what it is told goes to told[name].
    local function start(name, store, verb, ...)
      host.spawn(function(...)
        local good, err = store[verb](store, ...)
        told[name] = err and err.code or good
      end, ...)
    end

    it("makes the last of the sets that wait for a key for all of them", function()
      host:main(function()
        host:hold "far.set"
        start(0, tree, "set", "k", "v0")
        for i = 1, 50 do start(i, tree, "set", "k", "v" .. i) end
        assert.same({ "set k" }, far.log)
        host:release "far.set"
        host.sleep(1)
        assert.same({ "set k", "set k" }, far.log)
        assert.equal("v50", far.data.k)
        assert.equal("v50", tostring(tree:get "k"))
        for i = 0, 50 do assert.is_true(told[i]) end
        assert.is_nil(next(tree.generations.locked))
      end)
    end)

    it("keeps deletes and batches in their places among sets", function()
      host:main(function()
        host:hold "far.set"
        start(0, tree, "set", "k", "v0")
        for i = 1, 3 do start(i, tree, "set", "k", "v" .. i) end
        start("gone", tree, "delete", "k")
        for i = 4, 6 do start(i, tree, "set", "k", "v" .. i) end
        start("many", tree, "set_many", { "k", "l" }, { "m", "m" })
        for i = 7, 9 do start(i, tree, "set", "k", "v" .. i) end
        host:release "far.set"
        host.sleep(1)
        assert.same({ "set k", "set k", "delete k", "set k", "set k,l", "set k" },
          far.log)
        assert.equal("v9", far.data.k)
        assert.is_true(told.gone)
        for i = 0, 9 do assert.is_true(told[i]) end
      end)
    end)

    it("lets the earlier sets try when the last one fails", function()
      host:main(function()
        host:hold "far.set"
        start(0, tree, "set", "k", "v0")
        for i = 1, 3 do start(i, tree, "set", "k", "v" .. i) end
        far.faults.k = { "ok", "failed" }
        host:release "far.set"
        host.sleep(1)
        assert.equal("failed", told[3])
        assert.is_true(told[1] and told[2])
        assert.equal("v2", far.data.k)
        assert.equal("v2", tostring(tree:get "k"))
      end)
    end)

    it("goes on without sets that give up while they wait", function()
      host:main(function()
        host:hold "far.set"
        start(0, tree, "set", "k", "v0")
        local hasty = tree:deadline(0.1)
        start("first", hasty, "set", "k", "first")
        start(1, tree, "set", "k", "v1")
        start("last", hasty, "set", "k", "last")
        host.sleep(1)
        assert.equal("skipped", told.first)
        assert.equal("skipped", told.last)
        host:release "far.set"
        host.sleep(1)
        assert.same({ "set k", "set k" }, far.log)
        assert.equal("v1", far.data.k)
        assert.is_true(told[0] and told[1])
      end)
    end)
  end)

  describe("over a store that hangs", function()
    -- A policy of one's own without a bound: what `when` picks takes an hour.
    local function hanging(store, when)
      return weir.policy { children = { store }, run = function(_, req)
        if when(req) then host.sleep(3600) end
        return store:run(req)
      end }
    end

    it("keeps no write of a key waiting for ever", function()
      local once = true
      local slow = hanging(far, function(req)
        local hangs = once and req.op == "set"
        once = once and not hangs
        return hangs
      end)
      local tree = weir.tier { top, slow }
      host:main(function()
        host.spawn(function() tree:set("k", "v1") end)
        for _ = 1, 3 do
          local begun = host.now()
          local _, err = tree:set("k", "v2")
          assert.equal("skipped", err.code)
          assert.matches("another write of the key", err.message)
          assert.near(30, host.now() - begun, 1e-6)
        end
        assert.equal(0, #tree.generations.locked.k)
        assert(tree:set("other", "v"))
        host.sleep(3600)
        assert(tree:set("k", "v2"))
      end)
    end)

    it("goes on to make copies when a turn hangs", function()
      for _, op in ipairs { "stat", "set" } do
        local once = true
        local function first(req)
          local hangs = once and req.op == op
          once = once and not hangs
          return hangs
        end
        top.data, far.data = {}, { a = "1", b = "2" }
        local tree = weir.tier { hanging(top, first), hanging(far, first) }
        host:main(function()
          tree:get "a"
          host.sleep(1)
          tree:get "b"
          host.sleep(40)
          assert.equal("2", top.data.b)
          assert.is_nil(top.data.a)
          assert.equal(1, tree:tally().promotions.failed)
          -- A set that hangs may still come through: its key stays locked.
          local _, err = tree:set("a", "new", { timeout = 5 })
          assert.equal(op == "set" and "skipped" or nil, err and err.code)
          host.sleep(3600)
          assert(tree:set("a", "newer"))
          assert.equal("newer", top.data.a)
        end)
      end
    end)

    it("makes no more copies when many turns hang", function()
      local tree = weir.tier { hanging(top, function(req) return req.op == "set" end),
        far }
      for i = 1, 20 do far.data["k" .. i] = "v" end
      host:main(function()
        for i = 1, 20 do
          tree:get("k" .. i)
          host.sleep(40)
        end
        local counts = tree:tally().promotions
        assert.equal(8, counts.failed)
        assert.equal(12, counts.dropped)
      end)
    end)

    it("goes on to delete old copies when one delete hangs", function()
      local once = true
      local upper = hanging(top, function(req)
        local hangs = once and req.op == "delete"
        once = once and not hangs
        return hangs
      end)
      local tree = weir.tier { upper, far }
      host:main(function()
        assert(tree.suspects[1]:add "a")
        assert(tree.suspects[1]:add "b")
        tree:get "x"
        host.sleep(100)
        tree:get "x"
        host.sleep(1)
        assert.equal(1, tree:tally().old_copies)
      end)
    end)
  end)
end)
