local ffi = require "ffi"
local fake = require "fake"
local script = require "fake.store"
local weir = require "weir"
local Percentile = require "weir.policy.hedge.percentile"

describe("hedge", function()
  local host, far
  before_each(function()
    host = fake.host()
    far = script.store(host, "far", { data = { k = "v" } })
  end)
  after_each(fake.leave)

  -- The store takes these times for its next calls, then 0.01 s.
  local function takes(...)
    local times = { ... }
    function far.takes() return table.remove(times, 1) or 0.01 end
  end

  it("sends a slow read again, and takes the first good answer", function()
    takes(1)
    local tree = far:hedge { delay = 0.05 }
    host:main(function()
      local begun = host.now()
      local reply = tree:get_many { "k", "none" }
      assert.same({ "ok", "miss" }, { reply[1], reply[2] })
      assert.near(0.06, host.now() - begun, 1e-9)
      assert.equal(2, reply:attempts(1))
    end)
    assert.equal(2, far.calls)
    local tally = tree:tally()
    assert.same({ 1, 1, 1, 0 },
      { tally.sent, tally.won, tally.cancelled, tally.over_budget })
    assert.equal(0.05, tally.delay.get)
  end)

  it("leaves a read alone that is fast enough", function()
    takes(0.04)
    host:main(function()
      assert.equal("v", tostring(far:hedge { delay = 0.05 }:get "k"))
    end)
    assert.equal(1, far.calls)
  end)

  it("takes the first attempt's answer when it comes first", function()
    takes(0.06, 1)
    local tree = far:hedge { delay = 0.05 }
    host:main(function()
      local begun = host.now()
      assert.equal("v", tostring(tree:get "k"))
      assert.near(0.06, host.now() - begun, 1e-9)
    end)
    assert.same({ 1, 0 }, { tree:tally().sent, tree:tally().won })
  end)

  it("waits for the other attempt when one fails, slot by slot", function()
    takes(0.06, 0.1)
    far.faults.k = { "reset" }
    local tree = far:hedge { delay = 0.05 }
    host:main(function()
      local reply = tree:get_many { "k", "none" }
      assert.same({ "ok", "miss" }, { reply[1], reply[2] })
      assert.equal("v", reply:string(1))
    end)
  end)

  it("takes a miss for an answer, whatever the other attempt says", function()
    takes(0.06, 0.1)
    far.faults.none = { "reset" }
    host:main(function()
      assert.equal("miss", far:hedge { delay = 0.05 }:get_many { "none" }[1])
    end)
  end)

  it("returns the error when every attempt fails", function()
    takes(0.06, 0.1)
    far.faults.k = "reset"
    host:main(function()
      local _, err = far:hedge { delay = 0.05 }:get "k"
      assert.equal("reset", err.code)
    end)
  end)

  it("sends at most max further requests, each after another delay", function()
    takes()
    local tree = far:hedge { delay = 0.1, max = 3, budget = 1 }
    host:main(function()
      for _ = 1, 3 do tree:get "k" end
      function far.takes() return 1 end
      far.calls = 0
      tree:get "k"
    end)
    assert.equal(4, far.calls)
  end)

  it("never sends a write twice", function()
    function far.takes() return 1 end
    local tree = far:hedge { delay = 0.1, budget = 1 }
    host:main(function()
      assert(tree:set("a", "1"))
      assert(tree:delete "a")
      assert(tree:touch("k", 5))
    end)
    assert.equal(3, far.calls)
    assert.matches("sends a write once", tree:explain("set", "k")[1].why)
  end)

  it("does not exceed its budget when every read is slow", function()
    function far.takes() return 1 end
    local tree = far:hedge { delay = 0.1, budget = 0.05 }
    host:main(function()
      for _ = 1, 1000 do tree:get "k" end
    end)
    local further = far.calls - 1000
    assert.is_true(further >= 45 and further <= 51, further)
    assert.equal(1000 - further, tree:tally().over_budget)
  end)

  it("saves up few further requests in quiet times", function()
    takes()
    local tree = far:hedge { delay = 0.1, budget = 1 }
    host:main(function()
      for _ = 1, 100 do tree:get "k" end
      function far.takes() return 1 end
      far.calls = 0
      tree.options.budget = 0
      for _ = 1, 100 do tree:get "k" end
    end)
    assert.equal(110, far.calls)
  end)

  it("measures p(95) over the requests of the op", function()
    local n = 0
    function far.takes()
      n = n + 1
      return n % 10 == 0 and 0.5 or 0.01
    end
    local tree = far:hedge { delay = weir.p(85) }
    host:main(function()
      assert.is_nil(tree:tally().delay.get)
      assert.matches("p%(85%) is not known yet", tree:explain("get", "k")[1].why)
      for _ = 1, 100 do tree:get "k" end
      assert.near(0.01, tree:tally().delay.get, 0.0004)
      assert.is_nil(tree:tally().delay.exists)
      assert.matches("sends again after 10.* ms", tree:explain("get", "k")[1].why)
    end)
    assert.is_true(tree:tally().won > 0)
  end)

  it("forgets old times", function()
    local recent = Percentile.Recent.new()
    for _ = 1, 5000 do recent:add(1) end
    assert.near(1, recent:at(50), 0.04)
    for _ = 1, 5000 do recent:add(0.01) end
    assert.near(0.01, recent:at(50), 0.0004)
  end)

  it("sends nothing again that would come after the deadline", function()
    function far.takes() return 1 end
    host:main(function()
      local _, err = far:hedge { delay = 0.1 }:get("k", { timeout = 0.1 })
      assert.equal("timeout", err.code)
    end)
    assert.equal(1, far.calls)
  end)

  it("keeps a loser out of the caller's buffer", function()
    takes(1)
    far.deaf, far.bounded = true, false
    host:main(function()
      local buffer = ffi.new "uint8_t[4]"
      local reply = far:hedge { delay = 0.05 }:get_into_many({ "k" }, { buffer })
      assert.equal("ok", reply[1])
      assert.equal("v", ffi.string(buffer, 1))
      buffer[0] = 0
      host.sleep(5)
      assert.equal(0, buffer[0])
    end)
  end)

  it("answers in every order of events", function()
    local orders = fake.orders(function(ordered)
      local store = script.store(ordered, "far", { data = { k = "v" }, takes = 0.1 })
      local tree = store:hedge { delay = 0.1 }
      local reply
      ordered:main(function() reply = tree:get_many { "k" } end)
      assert.equal("v", reply:string(1))
      assert.is_true(store.calls <= 2)
    end, { any_time = true })
    assert.is_true(orders > 3, orders)
  end)

  it("tells a trace what happened", function()
    takes(1)
    host:main(function()
      local steps = far:hedge { delay = 0.05 }:trace "k"
      assert.equal("sent again after 50 ms, attempt 2 of 2 won", steps[1].decision)
    end)
  end)

  it("asks a store that answers in place once", function()
    far.immediate = true
    local tree = far:hedge { delay = 0.05 }
    host:main(function() tree:get "k" end)
    assert.equal(0, host.spawned - 1)
    assert.is_true(tree.immediate)
  end)

  it("keeps what it has measured over a reload", function()
    local function file() return far:hedge { delay = weir.p(50), max = 2 } end
    local old, new = file(), file()
    host:main(function()
      for _ = 1, 40 do old:get "k" end
    end)
    new:inherit(old, { 1 })
    assert.is_truthy(new:tally().delay.get)
  end)

  it("cancels the loser under a real event loop, too", function()
    fake.leave()
    local calls, ended = 0, nil
    local ram = weir.memory {}
    local slow = weir.policy {
      children = { ram },
      run = function(_, req)
        calls = calls + 1
        if calls == 1 then
          ended = select(2, pcall(weir.sleep, 600))
        end
        return ram:run(req)
      end,
    }
    local tree = slow:hedge { delay = 0.01 }
    local begun = weir.now()
    weir.run(function()
      assert(ram:set("k", "v"))
      assert.equal("v", tostring(tree:get "k"))
    end)
    assert.is_true(weir.now() - begun < 300)
    assert.equal("killed", tostring(ended))
    assert.same({ 2, 1 }, { calls, tree:tally().cancelled })
    ram:close()
  end)

  it("says what a delay is", function()
    assert.error_matches(function() far:hedge { delay = 0 } end,
      "delay is a time over 0 %(seconds, or \"50ms\"%), or a percentile such as p%(95%)"
      .. ", not 0")
    assert.error_matches(function() weir.p(100) end,
      "p: n is a number over 0 and below 100, not 100")
  end)
end)
