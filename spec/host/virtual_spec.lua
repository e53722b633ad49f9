-- The host of virtual time: its clock, its order, and what it says of a deadlock.

local current_host = require "weir.host"
local Virtual = require "weir.host.virtual"


local function run(main, opts)
  local host = Virtual.new(opts)
  return host.run(main, host)
end


describe("the host of virtual time", function()
  it("jumps to the next timer and sleeps for no real time", function()
    local began = os.clock()
    run(function(host)
      local start = host.now()
      host.sleep(86400)
      assert.equal(86400, host.now() - start)
    end)
    assert.is_true(os.clock() - began < 10)
  end)

  it("fires timers of the same time in the order they were set", function()
    local order = {}
    run(function(host)
      for i = 1, 100 do
        host.timer(i % 3, function() order[#order + 1] = ("%d:%d"):format(i % 3, i) end)
      end
    end)
    local expected = {}
    for at = 0, 2 do
      for i = 1, 100 do
        if i % 3 == at then expected[#expected + 1] = ("%d:%d"):format(at, i) end
      end
    end
    assert.same(expected, order)
  end)

  it("gives the same chance for the same seed and another for another", function()
    local function draw(seed)
      return run(function(host)
        return { host.random(), host.random(), host.random() }
      end, { seed = seed })
    end
    assert.same(draw(7), draw(7))
    assert.are_not.same(draw(7), draw(8))
  end)

  it("keeps thousands of parked tasks and wakes each once", function()
    local woken = 0
    run(function(host)
      local waiters = {}
      for i = 1, 20000 do
        host.spawn(function()
          waiters[i] = host.prepare()
          assert(host.park(waiters[i]))
          woken = woken + 1
        end)
      end
      for i = 1, #waiters do host.wake(waiters[i]) end
      host:settle()
      assert.equal(20000, woken)
    end)
  end)

  it("says of a park that was too short that it timed out", function()
    run(function(host)
      local woken, why = host.park(host.prepare(), 3)
      assert.is_false(woken)
      assert.equal("timeout", why)
      assert.equal(1003, host.now())
    end)
  end)

  it("settles what can run without moving the clock", function()
    run(function(host)
      local steps = {}
      for i = 1, 3 do
        host.spawn(function()
          host.yield()
          steps[#steps + 1] = i
        end)
      end
      host.timer(5, function() steps[#steps + 1] = "late" end)
      host:settle()
      assert.same({ 1, 2, 3 }, steps)
      assert.equal(1000, host.now())
    end)
  end)

  it("returns what a joined task returned, or its error", function()
    run(function(host)
      local task = host.spawn(function()
        host.sleep(1)
        return 1, nil, 3
      end)
      assert.same({ true, 1, nil, 3 }, { host.join(task) })
      local failing = host.spawn(function()
        host.sleep(1)
        error({ code = "x" }, 0)
      end)
      local ok, err = host.join(failing)
      assert.is_false(ok)
      assert.equal("x", err.code)
    end)
  end)

  it("raises the error of a task that nobody joined", function()
    assert.error_matches(function()
      run(function(host)
        host.spawn(function() error "the disk is on fire" end)
      end)
    end, "the disk is on fire")
  end)

  it("names in a deadlock who waits for whom, and where", function()
    local host = Virtual.new()
    local ok, err = pcall(host.run, function()
      local first
      first = host.spawn(function()
        host.park(host.prepare())
      end)
      host.join(first)
    end)
    assert.is_false(ok)
    assert.matches("deadlock: no task can run", err)
    assert.matches("task 1 %(spec/host/virtual_spec%.lua:%d+%) waits for task 2 ", err)
    assert.matches("task 2 %(spec/host/virtual_spec%.lua:%d+%) waits for a wake%-up at "
      .. "spec/host/virtual_spec%.lua:%d+", err)
  end)

  it("names what a waiter says it awaits", function()
    local host = Virtual.new()
    local _, err = pcall(host.run, function()
      local waiter = host.prepare()
      waiter.awaits = "the store disk"
      host.park(waiter)
    end)
    assert.matches("waits for the store disk", err)
  end)

  it("gives the host back that was current before it ran", function()
    local before = current_host.current()
    run(function(host) assert.equal(host, current_host.current()) end)
    assert.equal(before, current_host.current())
  end)
end)
