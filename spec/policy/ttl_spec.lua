-- ttl: how long values live, and how those past their time are made anew.
local fake = require "fake"
local ffi = require "ffi"
local script = require "fake.store"
local weir = require "weir"

local host, far
local function setup_store()
  host = fake.host()
  far = script.store(host, "far", { data = { a = "1", b = "2" } })
end

describe("ttl", function()
  before_each(setup_store)
  after_each(fake.leave)

  it("gives values a time to live, unless they have one", function()
    local tree = far:ttl(60)
    host:main(function()
      tree:set("x", "v")
      tree:set("y", "v", { ttl = 5 })
      assert.equal(host.now() + 60, far.expires.x)
      assert.equal(host.now() + 5, far.expires.y)
    end)
  end)

  -- The times that a value gets which is set, and one which is touched.
  local function times(tree)
    local found = {}
    host:main(function()
      for i, ttl in ipairs { false, 5, 500 } do
        assert(tree:set("x", "v", { ttl = ttl or nil }))
        found[i] = (far.expires.x or math.huge) - host.now()
        assert.equal("v", tree:get_string "x")
        assert(tree:touch("x", ttl or nil))
        found[i + 3] = (far.expires.x or math.huge) - host.now()
      end
    end)
    return found
  end

  it("cuts times to max, and gives max to values without one", function()
    local without = math.huge
    assert.same({ 60, 5, 500, without, 5, 500 }, times(far:ttl(60)))
    assert.same({ 60, 5, 100, 100, 5, 100 }, times(far:ttl(60, { max = 100 })))
    assert.same({ 100, 5, 100, 100, 5, 100 }, times(far:ttl { max = 100 }))
  end)

  it("gives all values one time with force", function()
    assert.same({ 60, 60, 60, 60, 60, 60 }, times(far:ttl(60, { force = true })))
  end)

  it("holds for the atomic verbs, too", function()
    weir.run(function()
      local ram = weir.memory {}
      local tree = ram:ttl { max = 100 }
      assert.is_true(tree:add("k", "v", { ttl = 500 }))
      assert.near(100, ram:stat("k").ttl, 5)
      assert.equal("v", tostring(tree:gat("k", 10)))
      assert.near(10, ram:stat("k").ttl, 5)
      assert.equal("v", tostring(tree:gat("k", 500)))
      assert.near(100, ram:stat("k").ttl, 5)
      ram:close()
    end)
  end)

  it("keeps a value past its max to serve it stale", function()
    local tree = far:ttl { max = 10, stale = 5 }
    host:main(function()
      tree:set("x", "old", { ttl = 500 })
      assert.equal(15, far.expires.x - host.now())
      tree:touch("x", 500)
      assert.equal(15, far.expires.x - host.now())
      assert.equal(10, tree:stat("x").ttl)
      host.sleep(11)
      assert.is_nil(tree:get "x")
      assert.is_true(tree:get_many({ "x" }).stale[1])
    end)
  end)

  it("cuts the time of copies that a tier makes", function()
    local low = script.store(host, "low", { data = { k = "v" } })
    local tree = weir.tier { far:ttl { max = 30 }, low }
    host:main(function()
      assert.equal("v", tree:get_string "k")
      host.sleep(0)
      assert.equal("v", far.data.k)
      assert.equal(30, far.expires.k - host.now())
    end)
  end)

  it("takes only times that make sense together", function()
    for text, given in pairs {
      ["needs a time, such as 60"] = {},
      ["seconds = 60 is longer than max = 50"] = { 60, max = 50 },
      ["force gives all values the first time: leave out max"] = { 60, max = 70,
        force = true },
      ['has no option "maximum"'] = { 60, maximum = 1 },
    } do
      local ok, err = pcall(weir.ttl, far, given)
      assert.is_false(ok)
      assert.matches(text, tostring(err), 1, true)
    end
    assert.equal("to live 60 s, at most 90 s",
      far:ttl(60, { max = 90 }):explain("set", "k")[1].why)
  end)

  it("takes a share off at random, key by key", function()
    local tree, keys, ends = far:ttl(100, { jitter = 0.2 }), {}, {}
    for i = 1, 20 do keys[i] = "k" .. i end
    host:main(function() tree:set_many(keys, keys) end)
    for i = 1, 20 do ends[far.expires[keys[i]]] = true end
    local n = 0
    for time in pairs(ends) do
      n = n + 1
      assert.is_true(time > host.now() + 79 and time <= host.now() + 100)
    end
    assert.is_true(n > 15)
  end)

  it("serves stale while one caller refreshes", function()
    local tree = far:ttl(10, { stale = 5 })
    host:main(function()
      tree:set("x", "old")
      host.sleep(11)
      assert.is_nil(tree:get "x")
      local reply = tree:get_many { "x" }
      assert.equal("old", reply:string(1))
      assert.is_true(reply.stale[1])
      tree:set("x", "new")
      reply = tree:get_many { "x" }
      assert.equal("new", reply:string(1))
      assert.is_nil(reply.stale)
    end)
  end)

  it("tells the word above that the refresher's miss is no absence", function()
    local tree = far:ttl(10, { stale = 10 }):negative { ttl = 5 }
    host:main(function()
      assert(tree:set("x", "old"))
      host.sleep(11)
      assert.is_nil(tree:get "x")
      assert.equal("old", tostring(tree:get "x"))
    end)
  end)

  it("serves stale to all who read at once but the refresher", function()
    far.takes = 0.1
    local tree, missed = far:ttl(10, { stale = 10 }):coalesce(), 0
    host:main(function()
      assert(tree:set("x", "old"))
      host.sleep(11)
      for _ = 1, 10 do
        host.spawn(function() if not tree:get "x" then missed = missed + 1 end end)
      end
    end)
    assert.equal(1, missed)
  end)

  it("keeps a value's time when a touch or delete fails", function()
    local tree = far:ttl(10, { stale = 10 })
    far.maybe_applied = false
    host:main(function()
      assert(tree:set("x", "old"))
      far.down = "unavailable"
      tree:touch("x", 10)
      tree:delete "x"
      far.down = nil
      host.sleep(11)
      assert.is_nil(tree:get "x")
      assert.is_true(tree:get_many { "x" }.stale[1])
    end)
  end)

  it("refreshes in the background with a function, once", function()
    local calls = 0
    local tree = far:ttl(10, { stale = 5, refresh = function(key)
      calls = calls + 1
      host.sleep(1)
      return "new " .. key
    end })
    host:main(function()
      tree:set("x", "old")
      host.sleep(11)
      assert.equal("old", tostring(tree:get "x"))
      assert.equal("old", tostring(tree:get "x"))
      host.sleep(2)
      assert.equal("new x", tostring(tree:get "x"))
    end)
    assert.equal(1, calls)
  end)
end)

describe("ttl, when a refresh fails,", function()
  local calls
  before_each(function()
    setup_store()
    calls = 0
  end)
  after_each(fake.leave)

  -- Serves an old value under load for so many seconds, ten gets a second.
  local function serve(tree, seconds)
    for _ = 1, seconds * 10 do
      assert.equal("old", tostring(tree:get "x"))
      host.sleep(0.1)
    end
  end

  local function fails()
    calls = calls + 1
    error "the origin is down"
  end

  it("waits for at least a tenth of the time, and chance adds to that", function()
    local tree = far:ttl(20, { stale = 1000, refresh = fails })
    host:main(function()
      assert(tree:set("x", "old"))
      host.sleep(20)
      serve(tree, 1.9)
      assert.equal(1, calls)
      serve(tree, 98.1)
      assert.is_true(calls >= 25 and calls < 50, calls)
      assert.equal(calls, tree:tally().failed)
    end)
  end)

  it("waits as long as pause says, also after nil", function()
    local tree = far:ttl(1, { stale = 1000, pause = 50, refresh = function()
      calls = calls + 1
      return nil
    end })
    host:main(function()
      assert(tree:set("x", "old"))
      host.sleep(1)
      serve(tree, 49)
    end)
    assert.equal(1, calls)
  end)

  it("takes a value that could not be stored for a failure", function()
    local tree = far:ttl(20, { stale = 1000, refresh = function()
      calls = calls + 1
      return "new"
    end })
    host:main(function()
      assert(tree:set("x", "old"))
      host.sleep(20)
      far.script = function(op) return op == "set" and "nospace" end
      serve(tree, 1.5)
      assert.equal(1, calls)
      assert.equal(1, tree:tally().failed)
      far.script = nil
      host.sleep(4)
      tree:get "x"
      assert.equal("new", tostring(tree:get "x"))
    end)
  end)

  it("brings back nothing that was deleted while it ran", function()
    local tree = far:ttl(10, { stale = 100, refresh = function()
      host.sleep(1)
      return "refreshed"
    end })
    host:main(function()
      assert(tree:set("x", "old"))
      host.sleep(11)
      tree:get "x"
      assert(tree:delete "x")
      host.sleep(5)
      assert.is_nil(tree:get "x")
    end)
  end)

  it("chooses another refresher long before the value dies", function()
    local tree = far:ttl(10, { stale = 100 })
    host:main(function()
      assert(tree:set("x", "old"))
      host.sleep(10)
      assert.is_nil(tree:get "x")
      serve(tree, 0.9)
      host.sleep(0.2)
      assert.is_nil(tree:get "x")
      assert.equal("old", tostring(tree:get "x"))
    end)
  end)

  it("chooses another when a background refresh hangs", function()
    local tree = far:ttl(10, { stale = 100, lease = 3, refresh = function()
      calls = calls + 1
      if calls == 1 then host.sleep(3600) end
      return "new"
    end })
    host:main(function()
      assert(tree:set("x", "old"))
      host.sleep(10)
      serve(tree, 2.9)
      host.sleep(0.2)
      tree:get "x"
      assert.equal("new", tostring(tree:get "x"))
    end)
  end)
end)

describe("ttl, when it can note no more times,", function()
  before_each(setup_store)
  after_each(fake.leave)

  it("lets the value end on time", function()
    local tree = far:ttl(10, { stale = 100, keys = 2 })
    host:main(function()
      tree:set_many({ "x", "y", "z" }, { "1", "2", "3" })
      assert.equal(1, tree:tally().untimed)
      host.sleep(10.5)
      local reply = tree:get_many { "x", "y", "z" }
      assert.same({ "miss", "miss", "miss" }, { reply[1], reply[2], reply[3] })
      assert.same({ true, true }, reply.stale)
      reply = tree:get_many { "x", "y", "z" }
      assert.same({ "ok", "ok", "miss" }, { reply[1], reply[2], reply[3] })
    end)
  end)

  it("does so after a touch, too", function()
    local tree = far:ttl(10, { stale = 100, keys = 1 })
    host:main(function()
      tree:set_many({ "x", "y" }, { "1", "2" })
      tree:touch("x", 20)
      tree:touch("y", 20)
      host.sleep(20.5)
      assert.is_nil(tree:get "y")
      assert.is_true(tree:get_many { "x" }.stale[1])
      assert.equal("1", tostring(tree:get "x"))
    end)
  end)

  it("has room again when the values have died", function()
    local tree = far:ttl(10, { stale = 5, keys = 1 })
    host:main(function()
      tree:set("x", "1")
      host.sleep(16)
      tree:set("y", "2")
      assert.equal(0, tree:tally().untimed)
    end)
  end)

  it("knows the time of a set whose answer was lost", function()
    local tree = far:ttl(10, { stale = 100 })
    far.faults.x = { "reset" }
    host:main(function()
      tree:set("x", "1")
      host.sleep(11)
      assert.is_nil(tree:get "x")
      assert.is_true(tree:get_many { "x" }.stale[1])
    end)
  end)

  it("needs stale for what is about stale values", function()
    assert.error_matches(function() far:ttl(10, { lease = 1 }) end,
      "lease needs stale")
  end)
end)

describe("stale_if_error", function()
  local top
  before_each(function()
    setup_store()
    top = script.store(host, "top")
  end)
  after_each(fake.leave)

  -- Reads x when its copy in the top is past its time and the store below is down.
  local function read_late(tree, seconds)
    far.data.x = "old"
    tree:get "x"
    host.sleep(seconds)
    far.down = "unavailable"
    return tree:get_many { "x" }
  end

  it("of ttl serves the old value when the stores below a tier fail", function()
    local tree = weir.tier { top:ttl(10, { stale_if_error = 100 }), far }
    host:main(function()
      local reply = read_late(tree, 11)
      assert.equal("old", reply:string(1))
      assert.is_true(reply.stale[1])
      assert.equal(1, reply:level(1))
      assert.equal(1, tree:tally().stale)
      local buffer = ffi.new "char[8]"
      assert.equal(3, tree:get_into("x", buffer))
      assert.equal("old", ffi.string(buffer, 3))
      far.down, far.data.x = nil, "new"
      assert.equal("new", tostring(tree:get "x"))
      host.sleep(0)
      assert.equal("new", top.data.x)
    end)
  end)

  it("does so for its time and no longer", function()
    local tree = weir.tier { top:ttl(10, { stale_if_error = 100 }), far }
    host:main(function()
      assert.equal("unavailable", read_late(tree, 111)[1])
    end)
  end)

  it("serves the refresher, and stale the others", function()
    local tree = weir.tier { top:ttl(10, { stale = 5, stale_if_error = 100 }), far }
    host:main(function()
      far.data.x = "old"
      tree:get "x"
      host.sleep(11)
      far.down, far.takes = "unavailable", 1
      for _ = 1, 10 do
        host.spawn(function()
          local reply = tree:get_many { "x" }
          assert.same({ "old", true }, { reply:string(1), reply.stale[1] })
        end)
      end
      host.sleep(2)
      assert.equal(2, far:count "get")
    end)
  end)

  it("gives fetch the old value when the loader fails", function()
    local tree = far:ttl(10, { stale_if_error = 100 })
    host:main(function()
      tree:set("x", "old")
      host.sleep(11)
      local value, err, stale = tree:fetch("x", function() error "down" end)
      assert.same({ "old", true }, { tostring(value), stale })
      assert.is_nil(err)
      assert.equal("new", tostring(tree:fetch("x", function() return "new" end)))
    end)
  end)

  it("of tier keeps copies of values with a time to live", function()
    local tree = weir.tier { top, far, stale_while = 5, stale_if_error = 100 }
    host:main(function()
      assert(tree:set("x", "old", { ttl = 10 }))
      assert(tree:set("y", "kept"))
      host.sleep(11)
      far.down = "unavailable"
      for _ = 1, 3 do
        local reply = tree:get_many { "x", "y" }
        assert.same({ "old", "kept" }, { reply:string(1), reply:string(2) })
        assert.same({ true }, reply.stale)
      end
      host.sleep(100)
      assert.equal("unavailable", select(2, tree:get "x").code)
    end)
  end)

  it("is over when the stores below say that there is no value", function()
    local tree = weir.tier { top, far, stale_while = 50, stale_if_error = 100 }
    host:main(function()
      assert(tree:set("x", "old", { ttl = 10 }))
      host.sleep(11)
      assert.is_nil(tree:get "x")
      assert.is_nil(tree:get "x")
      assert.is_nil(top.data.x)
    end)
  end)

  it("does not lengthen the time of copies further up", function()
    local middle = script.store(host, "middle")
    local tree = weir.tier { top, middle:ttl(10, { stale = 100 }), far }
    host:main(function()
      middle:set("x", "v", { ttl = 999 })
      tree.children[2]:set("x", "v")
      host.sleep(4)
      assert.equal("v", tostring(tree:get "x"))
      host.sleep(0)
      assert.is_true(top.expires.x <= host.now() + 6.01)
      assert.equal(6, tree.children[2]:stat "x".ttl)
    end)
  end)

  it("does not go together with refresh", function()
    assert.error_matches(function()
      far:ttl(10, { stale = 1, stale_if_error = 1, refresh = print })
    end, "leave out stale_if_error")
  end)
end)
