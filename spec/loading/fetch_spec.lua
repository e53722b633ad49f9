-- fetch and fetch_many: get, and load what is missing. Orders of events are in
-- loading/races_spec.lua.
local fake = require "fake"
local script = require "fake.store"
local weir = require "weir"

local host, far, calls
local function setup_store()
  host, calls = fake.host(), 0
  far = script.store(host, "far")
end

-- A loader that takes some time, counts its calls and returns a new value each time.
local function loader(seconds)
  return function(key)
    calls = calls + 1
    local turn = calls
    if seconds then host.sleep(seconds) end
    return key .. turn
  end
end

local function fails()
  calls = calls + 1
  error("the database is down", 0)
end

describe("fetch", function()
  before_each(setup_store)
  after_each(fake.leave)

  it("returns what is there, else loads it and stores it", function()
    host:main(function()
      assert.equal("a1", tostring(far:fetch("a", loader(), { ttl = 60 })))
      assert.equal("a1", far.data.a)
      assert.equal(host.now() + 60, far.expires.a)
      assert.equal("a1", tostring(far:fetch("a", loader())))
      assert.equal(1, calls)
    end)
  end)

  it("works on every store: memory, a policy, a policy file", function()
    local handle = weir.load(function()
      local words = require "weir"
      return words.tier { words.memory {}, words.memory {} }
    end)
    for _, store in ipairs { weir.memory {}, weir.memory {}:retry {}, handle } do
      host:main(function()
        assert.equal("v", tostring(store:fetch("k", function() return "v" end)))
        assert.equal("v", tostring(store:get "k"))
        assert(store:set("k", "w"))
        assert.equal("w", tostring(store:fetch("k", error)))
        assert.is_true(store:delete "k")
        assert.is_nil(store:fetch("k", function() end))
      end)
      store:close()
    end
  end)

  it("calls the loader once for 1,000 callers", function()
    local good = 0
    host:main(function()
      for _ = 1, 1000 do
        host.spawn(function()
          if tostring(far:fetch("a", loader(1))) == "a1" then good = good + 1 end
        end)
      end
    end)
    assert.same({ 1, 1000 }, { calls, good })
    assert.equal(999, far.loading.counts.joined)
    assert.equal(1, far:count "set")
  end)

  it("remembers an absent value for neg_ttl, and not without", function()
    local function none() calls = calls + 1 end
    host:main(function()
      assert.same({}, { far:fetch("a", none, { neg_ttl = 5 }) })
      host.sleep(4.9)
      assert.is_nil(far:fetch("a", none))
      assert.equal(1, calls)
      host.sleep(0.2)
      assert.is_nil(far:fetch("a", none))
      assert.is_nil(far:fetch("a", none))
      assert.equal(3, calls)
    end)
  end)

  it("forgets that a value is absent when it is set", function()
    host:main(function()
      assert.is_nil(far:fetch("a", function() end, { neg_ttl = 60 }))
      assert(far:set("a", "1"))
      assert.equal("1", tostring(far:fetch("a", error)))
    end)
  end)

  -- A store of C puts the prefix in front of the keys by itself.
  it("sees the writes of a prefix over the same store", function()
    local ram = weir.memory {}
    local tenant = ram:prefix "ns/"
    host:main(function()
      assert.is_nil(ram:fetch("ns/a", function() return nil end, { neg_ttl = 60 }))
      assert(tenant:set("a", "set"))
      assert.equal("set", tostring(ram:fetch("ns/a", fails)))
      assert.equal("old", tostring(ram:fetch("ns/b", function()
        assert(tenant:set("b", "new"))
        return "old"
      end)))
      assert.equal("new", tostring(ram:get "ns/b"))
    end)
    assert.equal(0, calls)
    ram:close()
  end)

  it("returns the loader's errors and does not remember them", function()
    for _, case in ipairs {
      { fails, "the database is down" },
      { function() return nil, "no such table" end, "no such table" },
      { function() error({}) end, "fetch: table: " },
      { function() return 7 end, "not number; use tostring(7)" },
      { function() return {} end, "not table; encode it first" },
      { function() return false end, "not boolean" },
    } do
      host:main(function()
        local value, err = far:fetch("a", case[1], { neg_ttl = 60 })
        assert.is_nil(value)
        assert.equal("failed", err.code)
        assert.matches(case[2], err.message, 1, true)
        assert.equal("v", tostring(far:fetch("a", function() return "v" end)))
        far:delete "a"
      end)
    end
  end)

  it("gives all that wait the loader's error, after one call", function()
    local failed = 0
    host:main(function()
      for _ = 1, 100 do
        host.spawn(function()
          local _, err = far:fetch("a", function()
            calls = calls + 1
            host.sleep(1)
            error "down"
          end)
          if err.code == "failed" then failed = failed + 1 end
        end)
      end
    end)
    assert.same({ 1, 100 }, { calls, failed })
  end)

  it("loads when the store fails to read, and returns what it cannot store", function()
    far.down = "unavailable"
    host:main(function()
      assert.equal("a1", tostring(far:fetch("a", loader())))
      assert.equal(1, far.loading.counts.unstored)
    end)
  end)

  it("counts what it does, also behind the handle of a policy file", function()
    local handle = weir.load(function() return require("weir").memory {} end)
    host:main(function()
      handle:fetch("a", loader())
      handle:fetch("b", fails)
    end)
    local facts = handle:stats().fetch
    assert.same({ 2, 2, 1 }, { facts.loads, facts.keys, facts.failed })
    local text = weir.prometheus(handle)
    assert.matches('weir_fetch_loads_total{node="memory"} 2', text, 1, true)
    assert.is_true(handle:reload())
    assert.equal(2, handle:stats().fetch.loads)
    handle:close()
  end)

  it("refuses arguments that make no sense", function()
    for _, case in ipairs {
      { "text", nil, "fetch takes a function that loads, not string" },
      { fails, { tll = 1 }, 'has no option "tll"; did you mean "ttl"?' },
      { fails, { stale_while = 1 }, "fetch: stale_while needs ttl" },
      { fails, { prefix = true }, 'fetch has no option "prefix"' },
    } do
      assert.error_matches(function() far:fetch("a", case[1], case[2]) end, case[3], 1,
        true)
    end
    assert.equal(0, far.calls)
  end)
end)

describe("fetch, in time,", function()
  before_each(setup_store)
  after_each(fake.leave)

  it("ends a loader that hangs, and the next caller loads again", function()
    host:main(function()
      local begun = host.now()
      local _, err = far:fetch("a", loader(3600), { timeout = 2 })
      assert.same({ "timeout", 2 }, { err.code, host.now() - begun })
      host.sleep(0)
      assert.is_nil(next(far.loading.loads))
      assert.equal("a2", tostring(far:fetch("a", loader(1), { timeout = 2 })))
    end)
  end)

  it("lets each caller wait for as long as it has", function()
    local first, second
    host:main(function()
      host.spawn(function() first = far:fetch("a", loader(3)) end)
      local begun = host.now()
      second = select(2, far:fetch("a", loader(3), { timeout = 1 }))
      assert.equal(1, host.now() - begun)
    end)
    assert.equal("timeout", second.code)
    assert.equal("a1", tostring(first))
    assert.equal(1, calls)
  end)

  it("lets a caller with time left load when the leader's time is over", function()
    local first, second
    host:main(function()
      host.spawn(function()
        first = select(2, far:fetch("a", loader(3), { timeout = 1 }))
      end)
      second = far:fetch("a", loader(3), { timeout = 10 })
    end)
    assert.equal("timeout", first.code)
    assert.equal("a2", tostring(second))
  end)

  it("does not load for a caller without time", function()
    host:main(function()
      far.takes = 2
      local _, err = far:fetch("a", loader(), { timeout = 1 })
      assert.equal("timeout", err.code)
    end)
    assert.equal(0, calls)
  end)

  it("returns the value although the store hangs at the set", function()
    host:main(function()
      host:hold "far.set"
      local begun = host.now()
      assert.equal("a1", tostring(far:fetch("a", loader(1), { timeout = 2 })))
      assert.equal(2, host.now() - begun)
      assert.equal("a1", tostring(far:fetch("a", loader(1))))
      assert.equal(2, host.now() - begun)
      host:release "far.set"
    end)
    assert.equal(1, calls)
  end)
end)

describe("fetch, past the time of a value,", function()
  before_each(setup_store)
  after_each(fake.leave)

  it("serves it at once for stale_while, while one task loads", function()
    local how = { ttl = 10, stale_while = 5 }
    host:main(function()
      far:fetch("a", loader(), how)
      host.sleep(11)
      for _ = 1, 100 do
        host.spawn(function()
          local value, err, stale = far:fetch("a", loader(1), how)
          assert.same({ "a1", true }, { tostring(value), stale })
          assert.is_nil(err)
        end)
      end
      host.sleep(1.1)
      assert.same({ "a2" }, { tostring(far:fetch("a", loader(1), how)) })
    end)
    assert.equal(2, calls)
    assert.equal(100, far.loading.counts.stale)
  end)

  it("does not serve it without being asked to, nor for longer", function()
    host:main(function()
      far:fetch("a", loader(), { ttl = 10, stale_while = 5 })
      far:fetch("b", loader(), { ttl = 10 })
      host.sleep(15.1)
      local how = { ttl = 10, stale_while = 5 }
      assert.equal("a3", tostring(far:fetch("a", loader(), how)))
      assert.equal("b4", tostring(far:fetch("b", loader(), { ttl = 10 })))
    end)
  end)

  it("serves it when the loader fails, hangs or is late", function()
    local how = { ttl = 10, stale_if_error = 3600, timeout = 2 }
    for _, bad in ipairs { fails, loader(3600), function() return {} end } do
      setup_store()
      host:main(function()
        far:fetch("a", function() return "old" end, how)
        host.sleep(11)
        local value, err, stale = far:fetch("a", bad, how)
        assert.same({ "old", true }, { tostring(value), stale })
        assert.is_nil(err)
        assert.equal("old", tostring(far:fetch("a", function() return "new" end, how)))
        host.sleep(1.1)
        assert.equal("new", tostring(far:fetch("a", function() return "new" end, how)))
      end)
    end
  end)

  it("tries again a second after a load that failed", function()
    local how = { ttl = 10, stale_if_error = 3600 }
    host:main(function()
      far:fetch("a", loader(), how)
      host.sleep(11)
      for _ = 1, 50 do
        assert.equal("a1", tostring(far:fetch("a", fails, how)))
        host.sleep(0.1)
      end
    end)
    assert.is_true(calls >= 5 and calls <= 7, calls)
  end)

  it("serves it no more when the loader says that there is none", function()
    local how = { ttl = 10, stale_while = 100, stale_if_error = 100 }
    host:main(function()
      far:fetch("a", loader(), how)
      host.sleep(11)
      assert.equal("a1", tostring(far:fetch("a", function() end, how)))
      assert.is_nil(far.data.a)
      assert.is_nil(far:fetch("a", function() end, how))
    end)
  end)

  it("takes the time from the store after a restart", function()
    local how = { ttl = 10, stale_while = 100 }
    host:main(function()
      far:fetch("a", loader(), how)
      local restarted = script.store(host, "far", { data = far.data,
        expires = far.expires })
      restarted.expires = far.expires
      assert.same({ "a1" }, { tostring(restarted:fetch("a", loader(), how)) })
      host.sleep(11)
      local value, _, stale = restarted:fetch("a", loader(), how)
      assert.same({ "a1", true }, { tostring(value), stale })
      host.sleep(0)
      assert.equal("a2", restarted.data.a)
    end)
  end)

  it("does not load what another process has loaded", function()
    local how = { ttl = 10, stale_while = 100 }
    host:main(function()
      far:fetch("a", loader(), how)
      host.sleep(11)
      far.data.a, far.expires.a = "theirs", host.now() + 110
      local value, _, stale = far:fetch("a", loader(), how)
      assert.same({ "theirs" }, { tostring(value), stale })
    end)
    assert.equal(1, calls)
  end)
end)

describe("fetch_many", function()
  before_each(setup_store)
  after_each(fake.leave)

  local function rows(keys)
    calls = calls + 1
    local found = {}
    for _, key in ipairs(keys) do found[key] = "row " .. key end
    found.none = nil
    return found
  end

  it("calls the loader once with all keys that are missing", function()
    local asked
    far.data.a = "1"
    host:main(function()
      local reply = far:fetch_many({ "a", "b", "none", "c", "b" }, function(keys)
        asked = table.concat(keys, ",")
        return rows(keys)
      end, { ttl = 60, neg_ttl = 60 })
      assert.same({ "ok", "ok", "miss", "ok", "ok" }, { unpack(reply, 1, 5) })
      assert.same({ "1", "row b", "row b" },
        { reply:string(1), reply:string(2), reply:string(5) })
      assert.equal("b,none,c", asked)
      assert.same({ "get a,b,none,c", "set b,c" }, far.log)
      far:fetch_many({ "none", "c" }, error)
    end)
  end)

  it("joins what others load and loads the rest", function()
    local first, second, lists
    lists = {}
    local function slow(keys)
      lists[#lists + 1] = table.concat(keys, ",")
      host.sleep(1)
      return rows(keys)
    end
    host:main(function()
      host.spawn(function() first = far:fetch_many({ "a", "b" }, slow) end)
      second = far:fetch_many({ "b", "c" }, slow)
    end)
    assert.same({ "a,b", "c" }, lists)
    assert.same({ "row a", "row b" }, { first:string(1), first:string(2) })
    assert.same({ "row b", "row c" }, { second:string(1), second:string(2) })
  end)

  it("fails single keys", function()
    host:main(function()
      local reply = far:fetch_many({ "a", "b", "c" }, function()
        return { a = "1", b = 2 }, { c = "down" }
      end)
      assert.same({ "ok", "failed", "failed" }, { reply[1], reply[2], reply[3] })
      assert.equal("fetch: down", reply:error(3).message)
    end)
  end)

  it("marks values that are past their time", function()
    local how = { ttl = 10, stale_while = 100 }
    host:main(function()
      far:fetch_many({ "a" }, rows, how)
      host.sleep(11)
      local reply = far:fetch_many({ "a", "b" }, rows, how)
      assert.same({ "ok", "ok" }, { reply[1], reply[2] })
      assert.same({ true }, reply.stale)
    end)
  end)
end)
