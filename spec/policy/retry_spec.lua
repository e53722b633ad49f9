local fake = require "fake"
local script = require "fake.store"
local weir = require "weir"

describe("retry", function()
  local host, far
  before_each(function()
    host = fake.host()
    far = script.store(host, "far", { data = { a = "1", b = "2" } })
  end)
  after_each(fake.leave)

  it("asks again for unfinished slots only, and says how often", function()
    far.faults.b = { "reset", "timeout" }
    host:main(function()
      local reply = far:retry { 3 }:get_many { "a", "b", "c" }
      assert.same({ "ok", "ok", "miss" }, { reply[1], reply[2], reply[3] })
      assert.same({ 1, 3 }, { reply:attempts(1), reply:attempts(2) })
      assert.same({ "get a,b,c", "get b", "get b" }, far.log)
    end)
  end)

  it("does not ask again after what no attempt mends", function()
    for _, status in ipairs { "denied", "invalid", "corrupt", "toobig" } do
      far.log, far.down = {}, status
      host:main(function() far:retry { 3 }:get "a" end)
      assert.equal(1, #far.log, status)
    end
  end)

  it("asks again only after the statuses it is given", function()
    far.down = "reset"
    host:main(function() far:retry { 2, on = { "timeout" } }:get "a" end)
    assert.equal(1, far.calls)
  end)

  it("waits longer each time, as its jitter says", function()
    far.down = "unavailable"
    local waits = { none = 0.01 + 0.02 + 0.04, equal = 0.07, full = 0.07,
      decorrelated = 3 }
    for jitter, most in pairs(waits) do
      host:main(function()
        local begun = host.now()
        far:retry { 3, jitter = jitter, budget = false }:get "a"
        local spent = host.now() - begun
        assert.is_true(spent <= most + 1e-6, jitter)
        local least = jitter == "none" and most or jitter == "equal" and most / 2 or 0
        assert.is_true(spent >= least - 1e-6, jitter)
      end)
    end
  end)

  it("gives up in time for the deadline", function()
    far.down = "unavailable"
    host:main(function()
      local begun = host.now()
      far:retry { 9, base = 1, jitter = "none" }:get("a", { timeout = 2.5 })
      assert.is_true(host.now() - begun <= 2.5)
    end)
    assert.equal(3, far.calls)
  end)

  it("spends no more than its budget", function()
    far.down = "unavailable"
    local tree = far:retry { 3, budget = 0.1 }
    host:main(function()
      for _ = 1, 200 do tree:get "a" end
    end)
    assert.is_true(far.asked <= 200 * 1.1 + 10)
    assert.is_true(tree:tally().over_budget > 0)
  end)

  it("comes back when it is told to", function()
    local limited = far:limit { rate = 1, queue = 0 }
    local tree = limited:retry { 3, cap = 2, jitter = "none" }
    host:main(function()
      assert(tree:get "a")
      local begun = host.now()
      assert(tree:get "b")
      assert.is_true(host.now() - begun >= 0.99)
    end)
  end)

  it("asks nobody again who said to come back too late, but the others", function()
    local down = script.store(host, "down", { down = "unavailable" })
    local broken = down:breaker { min = 1, open = 60 }
    local tree = weir.route { x = broken, default = far }:retry { 2 }
    host:main(function()
      broken:get "x"
      far.faults.b = { "busy", "ok" }
      local reply = tree:get_many { "x", "b" }
      assert.same({ "skipped", "ok" }, { reply[1], reply[2] })
      assert.same({ 1, 2 }, { reply:attempts(1), reply:attempts(2) })
      assert.equal(1, tree:tally().attempts)
    end)
  end)

  it("does not wait for an open breaker: a failover above has a store ready", function()
    local near = script.store(host, "near", { data = { a = "1" } })
    far.down = "unavailable"
    local home = far:timeout(0.05):breaker { min = 2, window = 2, open = 1 }:retry { 2 }
    local tree = weir.failover { home, near }
    host:main(function()
      for _ = 1, 5 do
        local begun = host.now()
        assert.equal("1", tostring(tree:get "a"))
        assert.is_true(host.now() - begun < 0.1)
      end
      local reply = home:get_many { "a" }
      assert.same({ "skipped", 1 }, { reply[1], reply:attempts(1) })
    end)
  end)

  it("waits for an open breaker when it is asked to", function()
    local broken = far:breaker { min = 1, window = 1, open = 0.5 }
    far.faults.a = { "unavailable", "ok" }
    host:main(function()
      broken:get "a"
      local begun = host.now()
      local tree = broken:retry { 2, wait_for_breaker = true }
      assert.equal("1", tostring(tree:get "a"))
      assert.near(0.5, host.now() - begun, 0.02)
    end)
  end)

  it("says what is known of a delete whose first answer was lost", function()
    for _, lost in ipairs { "reset", "timeout" } do
      far.data, far.faults.a = { a = "1" }, { lost, "busy", "ok" }
      host:main(function()
        local reply = far:retry { 3 }:delete_many { "a", "c" }
        assert.same({ "ok", "miss" }, { reply[1], reply[2] })
        assert.same({ true }, reply.maybe)
        far.data, far.faults.a = { a = "1" }, { lost, "ok" }
        assert.is_true(far:retry { 3 }:retry { 3 }:delete "a")
      end)
    end
  end)

  it("does not count as removed what an attempt surely left alone", function()
    far.data, far.faults.a = {}, { "unavailable", "ok" }
    host:main(function()
      local reply = far:retry { 3 }:delete_many { "a" }
      assert.same({ "miss" }, { reply[1] })
      assert.is_nil(reply.maybe)
    end)
  end)

  it("never calls a write not applied that an attempt may have applied", function()
    far.faults.a = { "reset", "unavailable", "unavailable" }
    host:main(function()
      local reply = far:retry { 2 }:set_many({ "a" }, { "new" })
      assert.equal("reset", reply[1])
      assert.equal(3, reply:attempts(1))
    end)
    assert.equal("new", far.data.a)
    far.faults.a, far.calls = { "reset", "denied", "denied" }, 0
    host:main(function()
      assert.equal("denied", far:retry { 2 }:set_many({ "a" }, { "new" })[1])
    end)
    assert.equal(2, far.calls)
  end)

  it("refuses a wrong budget", function()
    assert.error_matches(function() far:retry { 2, budget = "much" } end,
      "budget is a share")
    assert.error_matches(function() far:retry { 2, on = { "miss" } } end,
      "list of error statuses")
  end)
end)
