-- tier { write = back {} }: what is dirty, when it is flushed, and how it ends.
local fake = require "fake"
local script = require "fake.store"
local weir = require "weir"

describe("write-back", function()
  local host, top, far
  before_each(function()
    host = fake.host()
    top, far = script.store(host, "top"), script.store(host, "far")
  end)
  after_each(fake.leave)

  local function tier(given)
    return weir.tier { top, far, write = weir.back(given) }
  end

  it("acknowledges what the top has, and flushes later", function()
    local tree = tier { after = 5 }
    host:main(function()
      assert(tree:set("k", "v"))
      assert.equal("v", top.data.k)
      assert.is_nil(far.data.k)
      assert.equal(1, tree:tally().dirty_keys)
      assert.is_true(tree:tally().dirty_bytes > 2)
      host.sleep(4.9)
      assert.is_nil(far.data.k)
      host.sleep(0.2)
      assert.equal("v", far.data.k)
    end)
    local tally = tree:tally()
    assert.same({ 0, 0, 1 }, { tally.dirty_keys, tally.dirty_bytes, tally.flushed })
  end)

  it("flushes the newest write of a key, once, however often it was written", function()
    local tree = tier { after = 5 }
    host:main(function()
      for i = 1, 20 do
        assert(tree:set("k", "v" .. i))
        host.sleep(0.2)
      end
      assert.equal(0, far.calls)
      host.sleep(2)
    end)
    assert.same({ "set k" }, far.log)
    assert.equal("v20", far.data.k)
    assert.equal(19, tree:tally().superseded)
  end)

  it("flushes in batches", function()
    local tree = tier { after = 1 }
    host:main(function()
      for i = 1, 600 do assert(tree:set("k" .. i, "v")) end
      host.sleep(2)
    end)
    assert.equal(3, far:count "set")
    assert.equal(600, far.asked)
  end)

  it("answers dirty keys itself, whatever the stores do", function()
    local tree = tier { after = 5 }
    far.data.clean = "c"
    host:main(function()
      assert(tree:set("k", "value", { ttl = 60 }))
      top.data.k, top.down, far.down = nil, "unavailable", "reset"
      assert.equal("value", tostring(tree:get "k"))
      assert.is_true(tree:exists "k")
      assert.same({ size = 5, ttl = 60 }, tree:stat "k")
      assert.matches("is dirty", tree:explain("get", "k")[1].why)
      assert.equal("1 of 1 are dirty", tree:trace("k")[1].decision)
      top.down, far.down = nil, nil
      local reply = tree:get_many { "clean", "k", "none" }
      assert.same({ "ok", "ok", "miss" }, { reply[1], reply[2], reply[3] })
      assert.same({ "c", "value", 2, 1 },
        { reply:string(1), reply:string(2), reply:level(1), reply:level(2) })
    end)
  end)

  it("reads a dirty key into the caller's memory", function()
    local buffer = require("ffi").new "uint8_t[8]"
    host:main(function()
      local tree = tier {}
      assert(tree:set("k", "value"))
      assert.equal(5, tree:get_into("k", buffer))
      assert.equal("value", require("ffi").string(buffer, 5))
      assert.equal("toobig",
        select(2, tree:get_into("k", require("ffi").new "uint8_t[2]")).code)
    end)
  end)

  it("deletes later, too: a deleted key does not come back", function()
    far.data.k, top.data.k = "old", "old"
    local tree = tier { after = 5 }
    host:main(function()
      assert(tree:set("k", "new"))
      assert.is_true(tree:delete "k")
      assert.is_nil(tree:get "k")
      assert.is_false(tree:exists "k")
      assert.is_false(tree:delete "k")
      assert.equal("old", far.data.k)
      assert.is_nil(top.data.k)
      host.sleep(6)
      assert.is_nil(far.data.k)
      assert.is_nil(tree:get "k")
      -- A clean key is deleted everywhere at once.
      far.data.c = "1"
      assert.is_true(tree:delete "c")
      assert.is_nil(far.data.c)
    end)
  end)

  it("keeps the time to live, and lets nothing older come back after it", function()
    far.data.k = "old"
    local tree = tier { after = 5 }
    host:main(function()
      assert(tree:set("k", "new", { ttl = 3 }))
      assert(tree:set("m", "new", { ttl = 60 }))
      host.sleep(3.1)
      assert.is_nil(tree:get "k")
      host.sleep(3)
      assert.is_nil(far.data.k)
      assert.is_nil(tree:get "k")
      assert.near(host.now() + 53.9, far.expires.m, 0.2)
      assert(tree:set("n", "1"))
      assert.is_true(tree:touch("n", 100))
      assert.near(100, tree:stat("n").ttl, 0.01)
      assert.is_true(tree:flush())
      assert.near(host.now() + 100, far.expires.n, 0.1)
      assert.is_false(tree:touch("none", 1))
    end)
  end)

  it("keeps what the authority does not take, and tries again", function()
    local tree = tier { after = 1 }
    host:main(function()
      far.down = "unavailable"
      assert(tree:set("k", "v"))
      host.sleep(20)
      assert.equal("v", tostring(tree:get "k"))
      assert.is_true(tree:tally().flush_failures > 3)
      local calls = far.calls
      host.sleep(60)
      assert.is_true(far.calls - calls <= 13, "it pauses between attempts")
      far.down = nil
      host.sleep(6)
    end)
    assert.equal("v", far.data.k)
    assert.equal(0, tree:tally().dirty_keys)
  end)

  it("flushes by hand, and says which keys are left and why", function()
    local tree = tier { after = 1000 }
    host:main(function()
      assert(tree:set_many({ "a", "b", "c" }, { "1", "2", "3" }):all "good")
      assert.is_true(tree:flush())
      assert.same({ a = "1", b = "2", c = "3" }, far.data)
      far.faults.b = "denied"
      tree:set_many({ "a", "b" }, { "4", "5" })
      local flushed, err = tree:flush()
      assert.is_nil(flushed)
      assert.same({ { key = "b", status = "denied" } }, err.left)
      assert.equal("denied", err.code)
      assert.matches('tier: 1 written keys are not in far: "b" %(denied%)', err.message)
      assert.equal("4", far.data.a)
      far.faults.b, far.takes = nil, 100
      flushed, err = tree:flush { timeout = 1 }
      assert.is_nil(flushed)
      assert.equal("b", err.left[1].key)
      assert.error_matches(function() tree:flush { tiemout = 1 } end,
        'flush has no option "tiemout"; did you mean "timeout"')
    end)
    assert.is_true(weir.memory {}:flush())
  end)

  -- ---- max_dirty ----

  local VALUE = ("x"):rep(1000)

  it("writes through when too much is dirty", function()
    local tree = tier { max_dirty = 2500, after = 1000 }
    host:main(function()
      far.down = "unavailable"
      assert(tree:set("a", VALUE))
      assert(tree:set("b", VALUE))
      assert.equal("unavailable", select(2, tree:set("c", VALUE)).code)
      assert.is_nil(tree:get "c")
      far.down = nil
      assert(tree:set("c", VALUE))
      assert.equal(VALUE, far.data.c)
      -- An older dirty write of the key is superseded.
      assert(tree:set("a", VALUE .. VALUE))
      assert.equal(VALUE .. VALUE, far.data.a)
      host.sleep(1)
      tree:flush()
      assert.equal(VALUE .. VALUE, far.data.a)
    end)
    assert.is_true(tree:tally().over_max_dirty.through >= 3)
  end)

  it("keeps the acknowledged write when one over the limit fails", function()
    local tree = tier { max_dirty = 3000, after = 1000 }
    host:main(function()
      assert(tree:set("a", VALUE))
      far.down = "busy"
      assert.equal("busy", select(2, tree:set("a", VALUE:rep(3))).code)
      assert.equal(VALUE, tostring(tree:get "a"))
      far.down = nil
      assert.is_true(tree:flush())
      assert.equal(VALUE, far.data.a)
    end)
  end)

  it("waits for room if told to, until the deadline", function()
    far.takes = 1
    local tree = tier { max_dirty = 2500, after = 1000, on_full = "block" }
    host:main(function()
      assert(tree:set("a", VALUE))
      assert(tree:set("b", VALUE))
      local begun = host.now()
      local _, err = tree:set("c", VALUE, { timeout = 0.5 })
      assert.equal("busy", err.code)
      assert.matches("bytes are dirty %(max_dirty = 2500%)", err.message)
      assert.near(0.5, host.now() - begun, 0.2)
      assert(tree:set("c", VALUE))
      assert.is_true(host.now() - begun > 0.9)
      assert.equal(VALUE, far.data.a)
      -- A batch that is larger than max_dirty gets through, part by part.
      local keys, values = {}, {}
      for i = 1, 10 do keys[i], values[i] = "k" .. i, VALUE end
      assert.is_true(tree:set_many(keys, values):all "good")
      assert.is_true(tree:tally().dirty_bytes <= 2500)
      assert(tree:set("big", VALUE:rep(3)))
      assert.equal(VALUE:rep(3), far.data.big)
    end)
    assert.is_true(tree:tally().over_max_dirty.blocked > 5)
  end)

  it("refuses a write over the limit if told to", function()
    far.down = "unavailable"
    local tree = tier { max_dirty = 2500, after = 1000, on_full = "busy" }
    host:main(function()
      local reply = tree:set_many({ "a", "b", "c" }, { VALUE, VALUE, VALUE })
      assert.same({ "ok", "ok", "busy" }, { reply[1], reply[2], reply[3] })
      assert(tree:set("a", VALUE), "it takes the place of the older one")
      assert.is_true(tree:delete "a")
      far.down = nil
    end)
    assert.equal(1, tree:tally().over_max_dirty.busy)
  end)

  it("never exceeds max_dirty, whatever comes at the same time", function()
    far.takes, top.takes = 0.1, 0.01
    for _, on_full in ipairs { "through", "block", "busy" } do
      local tree, random = tier { max_dirty = 5000, after = 0.2, on_full = on_full },
        fake.generator(3)
      host:main(function()
        for i = 1, 200 do
          host.spawn(function()
            host.sleep(random() * 3)
            tree:set("k" .. i % 17, VALUE, { timeout = 5 })
            assert.is_true(tree.back.dirty.bytes <= 5000)
          end)
        end
      end)
      assert.equal(0, tree.back.dirty.count)
      assert.equal(0, tree.back.dirty.bytes)
      assert.equal(0, tree.back.reserved)
    end
  end)

  -- ---- the ends ----

  it("flushes before a scan, which lists what was written", function()
    local tree = tier { after = 1000 }
    far.data.gone = "1"
    host:main(function()
      assert(tree:set_many({ "a", "b", "gone" }, { "1", "2", "3" }):all "good")
      top.data.a = nil
      assert.is_true(tree:delete "gone")
      local keys = {}
      for key in tree:scan {} do keys[#keys + 1] = key end
      table.sort(keys)
      assert.same({ "a", "b" }, keys)
      assert(tree:set("c", "3"))
      far.down = "unavailable"
      assert.has_error(function() for _ in tree:scan {} do error "none" end end)
      far.down = nil
    end)
  end)

  it("flushes at close, or says what is lost", function()
    local ram = weir.memory {}
    local tree = weir.tier { top, ram, write = weir.back { after = 1000 } }
      :coalesce()
    host:main(function()
      assert(tree:set("k", "v"))
      local closed, err = tree:close { drop = true }
      assert.is_nil(closed)
      assert.matches('1 written keys are not in memory: "k"', err.message)
    end)
    ram = weir.memory {}
    tree = weir.tier { top, ram:fault { 0, status = "busy" },
      write = weir.back { after = 1000 } }
    local held
    host:main(function()
      assert(tree:set("k", "v"))
      local close = ram.begin_close
      function ram.begin_close(...)
        held = tostring(ram:get "k")
        return close(...)
      end
      assert.is_true(tree:close())
    end)
    assert.equal("v", held)
  end)

  it("flushes when the run ends", function()
    fake.leave()
    local ram, low = weir.memory {}, weir.memory {}
    weir.run(function()
      local tree = weir.tier { ram, low, write = weir.back { after = 1000 } }
      assert(tree:set("k", "v"))
      assert.is_nil(low:get "k")
    end)
    assert.equal("v", tostring(low:get "k"))
    ram:close()
    low:close()
  end)

  -- A policy file over the two stores, whose options the spec changes.
  local function file(options)
    return weir.load(function()
      return weir.tier { top, far, write = weir.back { after = options.after } }
    end)
  end

  it("keeps its dirty keys over a reload that does not change it", function()
    local options = { after = 1000 }
    local store = file(options)
    host:main(function()
      assert(store:set("k", "v"))
      assert.is_true(store:reload())
      assert.is_nil(far.data.k)
      assert.equal("v", tostring(store:get "k"))
      assert.is_true(store:flush())
      assert.equal("v", far.data.k)
    end)
  end)

  it("flushes before a reload that changes it, and before an undo", function()
    local options = { after = 1000 }
    local store = file(options)
    far.takes = 0.1
    host:main(function()
      assert(store:set("k", "v1"))
      options.after = 2000
      -- Another write comes while the reload flushes.
      host.spawn(function()
        host.sleep(0.05)
        assert(store:set("l", "v2"))
      end)
      assert.is_true(store:reload())
      assert.same({ k = "v1", l = "v2" }, far.data)
      assert(store:set("k", "v3"))
      assert.equal("v1", far.data.k)
      assert.is_true(store:undo())
      assert.equal("v3", far.data.k)
      assert(store:set("k", "v4"))
      assert.equal("v3", far.data.k, "the earlier version writes back again")
      assert.is_true(store:flush())
    end)
  end)

  it("does not reload when a key cannot be flushed", function()
    local options = { after = 1000 }
    local store = file(options)
    host:main(function()
      assert(store:set("k", "v1"))
      options.after, far.down = 2000, "unavailable"
      local reloaded, why = store:reload()
      assert.is_nil(reloaded)
      assert.matches('^nothing is reloaded: tier: 1 written keys are not in far: "k" '
        .. "%(unavailable%)", why)
      assert.equal("v1", tostring(store:get "k"))
      far.down = nil
      assert.is_true(store:reload())
      assert.equal("v1", far.data.k)
    end)
  end)

  it("writes through what was under way during a reload", function()
    local options = { after = 1000 }
    local store = file(options)
    host:main(function()
      local old = store.version.root
      options.after = 2000
      assert.is_true(store:reload())
      assert(old:set("k", "v1"))
      assert.equal("v1", far.data.k)
      assert.is_nil(old:tally().dirty_keys > 0 or nil)
    end)
  end)

  it("checks its options", function()
    assert.error_matches(function() weir.back { on_full = "blok" } end,
      'back: on_full is one of "through", "block", "busy", not "blok"; did you mean')
    assert.error_matches(function() weir.tier { top, far, write = "bakc" } end,
      'tier: write is one of "through", "around", or back { ... }, not "bakc"')
    assert.matches("write%-back: %[1%] now, %[2%] within 5 s; 0 keys are dirty",
      tier():explain("set", "k")[1].why)
  end)
end)
