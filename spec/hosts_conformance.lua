-- hosts_conformance.lua: what every host promises, as one function of a host:
--     conformance("ev", function(main) return Ev.new().run(main) end)
-- `run(main)` runs main under the host until it returns, and returns what it did.
-- `owns_loop` false: the loop is not the host's to end or to nest (nginx).

local assert = require "luassert"
local busted = require "busted"
local Host = require "weir.host"
local scripted = require "scripted"
local weir = require "weir"

local describe, it = busted.describe, busted.it


-- Batches on their way to a store that does not answer yet.
local function start(store, n)
  local tasks = {}
  for i = 1, n do
    tasks[i] = weir.spawn(function() return store:get("key " .. i) end)
  end
  return tasks
end


return function(name, run, owns_loop)
  describe("the " .. name .. " host", function()
    it("keeps a wake that comes before the park", function()
      run(function()
        local w = Host.prepare()
        Host.wake(w)
        assert.is_true(Host.park(w, 1))
      end)
    end)

    it("ends a park at its time-out, and takes a wake after it", function()
      run(function()
        local w, started = Host.prepare(), weir.now()
        assert.same({ false, "timeout" }, { Host.park(w, 0.02) })
        assert.is_true(weir.now() - started >= 0.019)
        Host.wake(w)
      end)
    end)

    it("forgets the time-out of a park that was woken", function()
      run(function()
        local w = Host.prepare()
        local task = weir.spawn(function() return Host.park(w, 0.01) end)
        Host.wake(w)
        assert.same({ true, true }, { weir.join(task) })
        weir.sleep(0.02)
      end)
    end)

    it("answers a time-out, then lets the late completion land", function()
      run(function()
        local store, script = scripted.open()
        script.hold, script.deaf = true, true
        local timeout = 0.01
        local value, err
        repeat -- until a worker begins it in time
          timeout = 2 * timeout
          value, err = store:get("a", { timeout = timeout })
        until err.code ~= "skipped" or timeout > 10
        assert.is_nil(value)
        assert.equal("timeout", err.code)
        script.hold = false
        scripted.await(function() return store:stats().inflight.batches == 0 end)
        assert.is_truthy(store:get "b")
        store:close()
      end)
    end)

    it("abandons what a killed task waited for", function()
      run(function()
        local store, script = scripted.open()
        script.hold, script.deaf = true, true
        local task = start(store, 1)[1]
        scripted.await(function() return script.inside == 1 end)
        weir.kill(task)
        local ok, why = weir.join(task)
        assert.is_false(ok)
        assert.equal(Host.KILLED, why)
        script.hold = false
        scripted.await(function() return store:stats().inflight.batches == 0 end)
        store:close()
      end)
    end)

    it("never sends what a killed task had only queued, nor lets it go on", function()
      run(function()
        local store, script = scripted.open { workers = 1 }
        script.hold = true
        local first = start(store, 1)[1]
        scripted.await(function() return script.inside == 1 end)
        local went_on = false
        local second = weir.spawn(function()
          store:get "queued"
          went_on = true
        end)
        weir.kill(second)
        assert.is_false((weir.join(second)))
        script.hold = false
        weir.join(first)
        assert.is_false(went_on)
        assert.equal(1, script.calls)
        store:close()
      end)
    end)

    it("parks 10,000 tasks at once", function()
      run(function()
        local store, script = scripted.open { queue = 20000 }
        script.hold = true
        local tasks, good = start(store, 10000), 0
        script.hold = false
        for _, task in ipairs(tasks) do
          local ok, value = weir.join(task)
          good = good + (ok and value and 1 or 0)
        end
        assert.equal(10000, good)
        store:close()
      end)
    end)

    it("ends with operations in flight, and their memory is let go", function()
      local store, script = scripted.open()
      run(function()
        script.hold, script.deaf = true, true
        start(store, 100)
        scripted.await(function() return script.inside > 0 end)
      end)
      script.hold = false
      assert.is_true((store:close()))
      assert.equal(0, store:stats().inflight.batches)
    end)

    -- Were the loop to stand still, the worker would be held until the close gave up.
    it("goes on while a task closes a store", function()
      run(function()
        local store, script = scripted.open { workers = 1 }
        script.hold, script.deaf = true, true
        local get = start(store, 1)[1]
        scripted.await(function() return script.inside == 1 end)
        local ticker = weir.spawn(function()
          for _ = 1, 20 do weir.sleep(0.001) end
          script.hold = false
        end)
        assert.same({ true }, { store:close() })
        assert.is_true(weir.join(ticker))
        assert.is_truthy(select(2, weir.join(get)))
        assert.same({ true }, { store:close() })
      end)
    end)

    it("waits for no connect that hangs when a store is closed", function()
      run(function()
        for _, opts in ipairs { { timeout = 60 }, { timeout = 60, drop = true } } do
          local store, script = scripted.open { connect_timeout = "60s", workers = 1 }
          script.hang_connect = true
          local started = weir.now()
          assert.is_nil((store:get("a", { timeout = 0.05 })))
          assert.equal(1, script.connects)
          assert.same({ true }, { store:close(opts) })
          assert.is_true(weir.now() - started < 30)
        end
      end)
    end)

    it("ends at once what is in flight when a store is dropped", function()
      run(function()
        local store, script = scripted.open { workers = 1 }
        script.hold = true
        local tasks = start(store, 2)
        scripted.await(function() return script.inside == 1 end)
        assert.same({ true }, { store:close { drop = true } })
        for _, task in ipairs(tasks) do
          local _, value, err = weir.join(task)
          assert.is_nil(value)
          assert.matches("clos", err.message)
        end
      end)
    end)

    it("closes a store whose closing task is killed", function()
      run(function()
        local store, script = scripted.open { workers = 1 }
        script.hold, script.deaf = true, true
        start(store, 1)
        scripted.await(function() return script.inside == 1 end)
        local closer = weir.spawn(function() store:close() end)
        weir.kill(closer)
        assert.equal(Host.KILLED, select(2, weir.join(closer)))
        script.hold = false
        scripted.await(function() return script.closes == 1 end)
      end)
    end)

    it("spawns from spawned tasks, each at once until its first wait", function()
      run(function()
        local order = {}
        local outer = weir.spawn(function()
          order[#order + 1] = "outer"
          local inner = weir.spawn(function()
            order[#order + 1] = "inner"
            weir.sleep(0.001)
            order[#order + 1] = "inner again"
          end)
          order[#order + 1] = "outer again"
          weir.join(inner)
        end)
        weir.join(outer)
        assert.same({ "outer", "inner", "outer again", "inner again" }, order)
      end)
    end)

    it("joins with results, or the error that ended the task", function()
      run(function()
        local one = weir.spawn(function(...) return ... end, 1, nil, 3)
        assert.same({ true, 1, nil, 3 }, { weir.join(one) })
        local two = weir.spawn(function() weir.sleep(0) error("lost", 0) end)
        assert.same({ false, "lost" }, { weir.join(two) })
      end)
    end)

    it("runs timers in order, and not those cancelled", function()
      run(function()
        local fired = {}
        local function note(x) return function() fired[#fired + 1] = x end end
        Host.timer(0.02, note "late")
        local never = Host.timer(0.01, note "never")
        Host.timer(0.005, note "early")
        never:cancel()
        never:cancel()
        weir.sleep(0.03)
        assert.same({ "early", "late" }, fired)
      end)
    end)

    it("lets others run in a sleep of no time", function()
      run(function()
        local done = false
        Host.timer(0.005, function() done = true end)
        while not done do weir.sleep(0) end
      end)
    end)

    it("cannot be outlived by a killed task that catches it", function()
      run(function()
        local rounds = 0
        local task = weir.spawn(function()
          for _ = 1, 3 do
            pcall(weir.sleep, 10)
            rounds = rounds + 1
          end
        end)
        local started = weir.now()
        weir.kill(task)
        weir.join(task)
        assert.equal(3, rounds)
        assert.is_true(weir.now() - started < 5)
      end)
    end)

    it("waits inside a coroutine of the user's own", function()
      run(function()
        local store = scripted.open()
        local values = coroutine.wrap(function()
          coroutine.yield((store:get "a"))
          coroutine.yield((store:get "b"))
        end)
        assert.equal(("a"):rep(32), values():string())
        assert.equal(("b"):rep(32), values():string())
        store:close()
      end)
    end)

    it("passes the error of main on", function()
      assert.same({ false, "boom" }, { pcall(run, function() error("boom", 0) end) })
    end)

    if owns_loop == false then return end

    it("stands beside another host in one process", function()
      run(function()
        local store = scripted.open()
        local mine = Host.current()
        run(function()
          assert.not_equal(mine, Host.current())
          assert.is_truthy(store:get "inner")
        end)
        assert.equal(mine, Host.current())
        assert.is_truthy(store:get "outer")
        store:close()
      end)
    end)

    it("runs what on_stop was given once, even when stopped twice", function()
      local stops = 0
      run(function()
        local host = Host.current()
        host.on_stop(function() stops = stops + 1 end)
        host.stop()
        host.stop()
      end)
      assert.equal(1, stops)
    end)

    it("says that a wait can never end instead of hanging", function()
      local ok, why = pcall(run, function() Host.park(Host.prepare()) end)
      assert.is_false(ok)
      assert.matches("nothing will ever wake", why)
    end)

    it("passes on the error of a task that nobody joined", function()
      local ok, why = pcall(run, function() weir.spawn(error, "alone", 0) end)
      assert.same({ false, "alone" }, { ok, why })
    end)

    it("keeps the errors of a bounded number of such tasks", function()
      local before, after
      local ok = pcall(run, function()
        local function fail(n)
          for i = 1, n do weir.spawn(error, "alone " .. i, 0) end
          collectgarbage()
          collectgarbage()
          return collectgarbage "count"
        end
        fail(2000)
        before, after = fail(2000), fail(20000)
      end)
      assert.is_false(ok)
      assert.is_true(after - before < 500, after - before .. " KiB")
    end)
  end)
end
