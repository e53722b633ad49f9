-- What is not in traps_spec (7): the window, slowness, what a caller is told.
local fake = require "fake"
local script = require "fake.store"
local weir = require "weir"

describe("breaker", function()
  local host, far
  before_each(function()
    host = fake.host()
    far = script.store(host, "far", { data = { k = "v" } })
  end)
  after_each(fake.leave)

  local function ask(tree, times)
    host:main(function()
      for _ = 1, times do tree:get "k" end
    end)
    return tree.state
  end

  it("opens at a share of failures, not before there were enough calls", function()
    far.down = "reset"
    local tree = far:breaker { min = 5, window = 10 }
    assert.equal("closed", ask(tree, 4))
    assert.equal("open", ask(tree, 1))
  end)

  it("looks at the share after a success, too", function()
    far.script = function() return table.remove(far.outcomes, 1) end
    far.outcomes = { "reset", "reset", "reset", false, false }
    local tree = far:breaker { min = 5, window = 5, fail = 0.5 }
    assert.equal("closed", ask(tree, 4))
    assert.equal("open", ask(tree, 1))
  end)

  it("stays closed without a failure, whatever the share", function()
    assert.equal("closed", ask(far:breaker { min = 1, fail = 0 }, 3))
  end)

  it("forgets what is older than its window", function()
    local tree = far:breaker { min = 4, window = 4, fail = 0.75 }
    far.down = "reset"
    ask(tree, 2)
    far.down = nil
    ask(tree, 4)
    far.down = "reset"
    assert.equal("closed", ask(tree, 2))
    assert.equal("open", ask(tree, 1))
  end)

  it("takes the worst status of a batch as one outcome", function()
    far.faults.x = "unavailable"
    local tree = far:breaker { min = 2, window = 2, fail = 1 }
    host:main(function()
      tree:get_many { "k", "x" }
      tree:get_many { "k", "x" }
    end)
    assert.equal("open", tree.state)
  end)

  it("counts slow calls as failures", function()
    far.takes = 0.2
    assert.equal("open", ask(far:breaker { min = 2, slow = 0.1 }, 2))
  end)

  it("says when to come back, and sends nothing meanwhile", function()
    far.down = "reset"
    local tree = far:breaker { min = 1, open = 5 }
    ask(tree, 1)
    far.calls = 0
    host:main(function()
      local reply = tree:get_many { "k" }
      assert.equal("skipped", reply[1])
      assert.equal(5, reply.after)
      assert.matches("tries again in 5 s", reply:error(1).message)
    end)
    assert.equal(0, far.calls)
    assert.matches("open", tree:explain("get", "k")[1].why)
  end)

  it("learns nothing from what was never sent", function()
    local tree = weir.fail "skipped":breaker { min = 1 }
    assert.equal("closed", ask(tree, 5))
    assert.equal(0, tree:tally().calls)
  end)

  it("is not closed by a batch of no keys", function()
    local tree = far:breaker { min = 1, window = 1, open = 5 }
    far.down = "reset"
    ask(tree, 1)
    host:main(function()
      host.sleep(6)
      tree:get_many {}
      assert.equal("half_open", tree.state)
      tree:get "k"
      assert.equal("open", tree.state)
    end)
  end)

  it("looks only at the calls of its period", function()
    far.down = "reset"
    local tree = far:breaker { min = 4, period = 10 }
    assert.equal("closed", ask(tree, 3))
    host:advance(11)
    assert.equal(0, tree:tally().calls)
    assert.equal("closed", ask(tree, 3))
    host:advance(9)
    assert.equal("open", ask(tree, 1))
    -- The last `window` calls of the period count.
    tree = far:breaker { min = 4, window = 4, period = 10, fail = 0.75 }
    far.down = nil
    ask(tree, 4)
    far.down = "reset"
    assert.equal("closed", ask(tree, 2))
    assert.equal("open", ask(tree, 1))
  end)

  it("counts its sample right, whatever order calls and times come in", function()
    local random = fake.generator(5)
    local tree = far:breaker { min = 50, window = 50, period = 10, fail = 1, slow = 0.5,
      slow_share = 1 }
    local seen = {}
    host:main(function()
      for _ = 1, 500 do
        host.sleep(random())
        far.down = random() < 0.4 and "reset" or nil
        far.takes = random() < 0.3 and 0.6 or 0
        local slow = far.takes > 0
        tree:get "k"
        seen[#seen + 1] = { at = host.now(), failed = far.down ~= nil, slow = slow }
        local calls, failed, late = 0, 0, 0
        for i = math.max(#seen - 49, 1), #seen do
          if seen[i].at > host.now() - 10 then
            calls = calls + 1
            failed = failed + (seen[i].failed and 1 or 0)
            late = late + (seen[i].slow and 1 or 0)
          end
        end
        local tally = tree:tally()
        assert.same({ calls, failed, late },
          { tally.calls, tally.failures, tally.slow })
      end
    end)
    assert.equal("closed", tree.state)
  end)

  it("opens at a share of slow calls, apart from the failed ones", function()
    far.takes = 0.2
    local tree = far:breaker { min = 4, window = 4, slow = 0.1, slow_share = 0.75 }
    assert.equal("closed", ask(tree, 2))
    assert.same({ 0, 2 }, { tree:tally().failures, tree:tally().slow })
    far.takes = 0
    ask(tree, 2)
    far.takes = 0.2
    assert.equal("closed", ask(tree, 2))
    assert.equal("open", ask(tree, 1))
    host:main(function()
      host.sleep(6)
      tree:get "k"
      assert.equal("open", tree.state, "a slow probe fails")
    end)
    assert.error_matches(function() far:breaker { slow_share = 0.5 } end,
      "slow_share needs slow")
  end)

  it("counts only the statuses that it is told", function()
    far.down = "busy"
    local tree = far:breaker { min = 2, on = { "timeout", "reset" } }
    assert.equal("closed", ask(tree, 5))
    far.down = "reset"
    assert.equal("open", ask(tree, 5))
    far.down = "denied"
    assert.equal("open", ask(far:breaker { min = 2, on = "denied" }, 2))
    assert.error_matches(function() far:breaker { on = "restet" } end,
      'breaker: on is a list of error statuses, not "restet"; did you mean "reset"?')
    assert.error_matches(function() far:breaker { on = "miss" } end, 'not "miss"')
  end)

  it("tells each change of state", function()
    far.down = "reset"
    local heard = {}
    local tree = far:breaker { min = 2, on_change = function(state, before)
      heard[#heard + 1] = before .. " -> " .. state
      error "the spec's own"
    end }
    host:main(function()
      for _ = 1, 2 do tree:get "k" end
      host.sleep(6)
      tree:get "k"
      host.sleep(11)
      far.down = nil
      tree:get "k"
      tree:force "disable"
      tree:force "disable"
    end)
    assert.same({ "closed -> open", "open -> half_open", "half_open -> open",
      "open -> half_open", "half_open -> closed", "closed -> disabled" }, heard)
    local tally = tree:tally()
    assert.equal(6, tally.on_change_failures)
    assert.matches("the spec's own", tally.last_failure)
  end)

  it("is kept open or out of the way by hand, until it is reset", function()
    local tree = far:breaker { min = 2, open = 5 }
    tree:force "open"
    host:main(function()
      host.sleep(1000)
      local reply = tree:get_many { "k" }
      assert.equal("skipped", reply[1])
      assert.is_nil(reply.after)
      assert.is_true(reply.open[1])
      assert.matches("forced by hand until it is reset", reply:error(1).message)
      assert.matches("forced open", tree:explain("get", "k")[1].why)
      assert.equal(0, far.calls)
      tree:force "disable"
      far.down = "reset"
      for _ = 1, 50 do tree:get "k" end
      assert.equal(50, far.calls)
      assert.equal("disabled", tree.state)
      assert.matches("disabled", tree:explain("get", "k")[1].why)
      tree:force "reset"
      assert.equal(0, tree:tally().calls)
      for _ = 1, 2 do tree:get "k" end
      assert.equal("open", tree.state)
      tree:force "reset"
      far.down = nil
      assert.equal("v", tostring(tree:get "k"))
    end)
    assert.error_matches(function() tree:force "opne" end,
      'one of open, disable, reset, not "opne"; did you mean "open"?')
  end)

  it("stays as it was set by hand over a reload", function()
    local old = far:breaker { min = 2 }
    old:force "open"
    local new = far:breaker { min = 3 }
    new:inherit(old, { 1 })
    assert.equal("forced_open", new.state)
    host:main(function() assert.equal("skipped", select(2, new:get "k").code) end)
  end)

  it("ignores an answer from before it was set by hand", function()
    far.takes, far.down = 1, "reset"
    local tree = far:breaker { min = 1 }
    host:main(function()
      host.spawn(function() tree:get "k" end)
      tree:force "reset"
      host.sleep(2)
      assert.equal("closed", tree.state)
    end)
  end)

  it("refuses a window that can never be full enough", function()
    assert.error_matches(function() far:breaker { min = 20, window = 10 } end,
      "min is over window")
  end)
end)
