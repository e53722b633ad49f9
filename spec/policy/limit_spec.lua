local fake = require "fake"
local script = require "fake.store"

describe("limit", function()
  local host, far
  before_each(function()
    host = fake.host()
    far = script.store(host, "far", { takes = 1, data = { k = ("x"):rep(100) } })
  end)
  after_each(fake.leave)

  -- Starts n gets at once; returns how many were skipped.
  local function burst(tree, n)
    local skipped = 0
    host:main(function()
      for i = 1, n do
        host.spawn(function()
          local reply = tree:get_many { "k" .. i }
          if reply[1] == "skipped" then skipped = skipped + 1 end
        end)
      end
    end)
    return skipped
  end

  it("lets so many keys through at once, the others wait", function()
    assert.equal(0, burst(far:limit { 3 }, 10))
    assert.equal(3, far.most_inflight)
    assert.equal(10, far.calls)
  end)

  it("skips what finds the queue full, and says when to come back", function()
    local tree = far:limit { 1, queue = 2 }
    assert.equal(7, burst(tree, 10))
    host:main(function()
      host.spawn(function() tree:get "a" end)
      host.spawn(function() tree:get "b" end)
      host.spawn(function() tree:get "c" end)
      local reply = tree:get_many { "d" }
      assert.equal("skipped", reply[1])
      assert.is_true(reply.after > 0)
    end)
  end)

  it("counts bytes, of gets at the size that is usual", function()
    local tree = far:limit { bytes = 250 }
    host:main(function()
      for _ = 1, 100 do tree:get "k" end
      far.most_inflight = 0
      for _ = 1, 6 do host.spawn(function() tree:get "k" end) end
    end)
    assert.equal(2, far.most_inflight)
    host:main(function()
      far.most_inflight = 0
      for i = 1, 3 do host.spawn(function() tree:set("s" .. i, ("x"):rep(120)) end) end
    end)
    assert.equal(2, far.most_inflight)
  end)

  it("lets a batch over the limit pass alone", function()
    host:main(function()
      local reply = far:limit { 2 }:get_many { "a", "b", "c" }
      assert.is_true(reply:all "miss")
    end)
  end)

  it("keeps a rate of keys a second", function()
    far.takes = nil
    local tree = far:limit { rate = 10 }
    host:main(function()
      local begun = host.now()
      for i = 1, 40 do tree:get("k" .. i) end
      local spent = host.now() - begun
      assert.is_true(spent > 2.9 and spent < 3.1, spent)
    end)
  end)

  it("lets a burst through after a pause, then the rate", function()
    far.takes = nil
    local tree = far:limit { rate = 10, burst = 30 }
    host:main(function()
      local begun = host.now()
      for i = 1, 30 do tree:get("k" .. i) end
      assert.equal(0, host.now() - begun)
      for i = 1, 10 do tree:get("k" .. i) end
      assert.near(1, host.now() - begun, 0.01)
    end)
    tree = far:limit { rate = 10, burst = 1 }
    host:main(function()
      local begun = host.now()
      for i = 1, 11 do tree:get("k" .. i) end
      assert.near(1, host.now() - begun, 0.01)
    end)
    assert.error_matches(function() far:limit { 3, burst = 4 } end,
      "burst belongs to rate")
  end)

  -- ---- shed ----

  it("does not begin what cannot be answered in time, if told to", function()
    local tree = far:limit { shed = true }
    host:main(function()
      for _ = 1, 5 do tree:get "k" end
      far.calls = 0
      host.spawn(function() tree:get "k" end)
      local begun = host.now()
      local _, err = tree:get("k", { timeout = 0.5 })
      assert.equal("skipped", err.code)
      assert.equal(0, host.now() - begun)
      assert.matches("limit of far: too late: a get takes about 1 s, with 0 s to wait, "
        .. "and 0.5 s are left", err.message)
      assert.equal(1, far.calls)
      assert.is_nil((select(2, tree:get("none", { timeout = 1.5 }))))
      assert.equal(2, far.calls)
    end)
    assert.equal(1, tree:tally().late)
    assert.equal(0, tree:tally().shed)
  end)

  it("measures each op by itself", function()
    function far.takes(req) return req.op == "set" and 1 or 0.01 end
    local tree = far:limit { shed = true }
    host:main(function()
      for _ = 1, 5 do
        assert(tree:set("a", "1"))
        tree:get "k"
      end
      host.spawn(function() tree:set("a", "1") end)
      assert.equal("skipped", select(2, tree:set("a", "2", { timeout = 0.5 })).code)
      assert.is_truthy(tree:get("k", { timeout = 0.5 }))
    end)
  end)

  it("counts the time to wait for a turn, too", function()
    local tree = far:limit { 1, shed = true }
    host:main(function()
      tree:get "k"
      for _ = 1, 3 do host.spawn(function() tree:get "k" end) end
      far.calls = 0
      local begun = host.now()
      local _, err = tree:get("k", { timeout = 3 })
      assert.equal(0, host.now() - begun)
      assert.matches("too late: a get takes about 1 s, with 3 s to wait", err.message)
      assert.is_truthy(tree:get("k", { timeout = 4.5 }))
      assert.equal(3, far.calls)
    end)
  end)

  it("takes a batch out of the queue when its time is over, not at its deadline",
    function()
      local tree = far:limit { 1, shed = true }
      host:main(function()
        tree:get "k"
        function far.takes() return 5 end
        host.spawn(function() tree:get "k" end)
        far.calls = 0
        local begun = host.now()
        local _, err = tree:get("k", { timeout = 3 })
        assert.equal("skipped", err.code)
        assert.near(2, host.now() - begun, 1e-6)
        assert.equal(0, far.calls)
      end)
      assert.equal(1, tree:tally().late)
    end)

  it("learns that a store has become faster", function()
    function far.takes() return 5 end
    local tree, answered = far:limit { shed = true }, 0
    host:main(function()
      for _ = 1, 20 do tree:get("k", { timeout = 0.1 }) end
      far.calls = 0
      for _ = 1, 100 do tree:get("k", { timeout = 0.1 }) end
      -- Most are skipped; a trial may go after each pause.
      assert.is_true(far.calls <= 2, far.calls)
      function far.takes() return 0.001 end
      for _ = 1, 100 do
        host.sleep(0.05)
        if tree:get("k", { timeout = 0.1 }) then answered = answered + 1 end
      end
    end)
    assert.is_true(answered > 75, answered)
  end)

  it("tells a trace why a batch was skipped", function()
    local tree = far:limit { 1, queue = 0 }
    host:main(function()
      host.spawn(function() tree:get "a" end)
      assert.matches("^full: inflight = 1", tree:trace("k")[1].decision)
    end)
  end)

  it("serves the last first if told to", function()
    local order = {}
    local tree = far:limit { 1, order = "lifo" }
    host:main(function()
      for i = 1, 4 do
        host.spawn(function()
          tree:get("k" .. i)
          order[#order + 1] = i
        end)
      end
    end)
    assert.same({ 1, 4, 3, 2 }, order)
  end)

  it("gives permits back although the caller was killed", function()
    local tree = far:limit { 1 }
    host:main(function()
      local task = host.spawn(function() tree:get "a" end)
      host.kill(task)
      assert.is_nil((select(2, tree:get "b")))
    end)
    assert.equal(0, tree:tally().inflight.batches)
  end)

  it("skips who has no time to wait", function()
    local tree = far:limit { 1 }
    host:main(function()
      host.spawn(function() tree:get "a" end)
      assert.equal("skipped", select(2, tree:get("b", { timeout = 0.5 })).code)
    end)
  end)

  -- Holds 5 of 10 permits for 1 s, lets a batch of 8 wait at most 0.1 s for its turn
  -- and one key behind it; returns when the two ended.
  local function give_up(tree, first)
    local ends = {}
    local function later(name, keys, opts)
      host.spawn(function()
        tree:get_many(keys, opts)
        ends[name] = host.now() - 1000
      end)
    end
    local function many(prefix, n)
      local list = {}
      for i = 1, n do list[i] = prefix .. i end
      return list
    end
    host:main(function()
      later("holder", many("a", first))
      later("head", many("b", 8), { timeout = 0.1 })
      later("next", { "c" })
    end)
    return ends
  end

  it("lets those behind go when the head of the line gives up", function()
    function far.takes(req) return req.n == 1 and 0.01 or 1 end
    local ends = give_up(far:limit { 10 }, 5)
    assert.near(0.1, ends.head, 1e-6)
    assert.near(0.11, ends.next, 1e-6)
  end)

  it("lets those behind go when the head of a rate's line gives up", function()
    far.takes = 0
    local ends = give_up(far:limit { rate = 10 }, 10)
    assert.near(0.1, ends.head, 1e-6)
    assert.near(0.1, ends.next, 1e-6)
  end)

  it("lets the others go when the last comer of a lifo gives up", function()
    local tree, ends = far:limit { 10, order = "lifo" }, {}
    function far.takes(req) return req.keys[1] == "short1" and 0.5 or 1 end
    local function later(name, n, opts)
      local list = {}
      for i = 1, n do list[i] = name .. i end
      host.spawn(function()
        tree:get_many(list, opts)
        ends[name] = host.now() - 1000
      end)
    end
    host:main(function()
      later("long", 5)
      later("short", 5)
      later("first", 5)
      later("last", 8, { timeout = 0.7 })
    end)
    assert.near(0.7, ends.last, 1e-6)
    assert.near(1.7, ends.first, 1e-6)
  end)

  it("looks again in time when a shorter batch becomes the next", function()
    far.takes = 0
    local tree, ended = far:limit { rate = 10, order = "lifo" }, nil
    host:main(function()
      local keys = {}
      for i = 1, 10 do keys[i] = "a" .. i end
      tree:get_many(keys)
      host.spawn(function() tree:get_many(keys) end)
      host.spawn(function()
        tree:get "c"
        ended = host.now() - 1000
      end)
    end)
    assert.near(0.1, ended, 1e-6)
  end)

  it("says which limit is reached, and of which store", function()
    host:main(function()
      local function message(tree)
        host.spawn(function() tree:get_many { "a", "b" } end)
        return select(2, tree:set("c", "1234")).message
      end
      assert.equal("limit of far: full: inflight = 2, 2 keys are in flight, "
        .. "0 batches wait (queue = 0)", message(far:limit { 2, queue = 0 }))
      assert.matches("full: bytes = 3, ", message(far:limit { bytes = 3, queue = 0 }))
      assert.matches("full: rate = 2, the next turn is in 0.5 s",
        message(far:limit { rate = 2, queue = 0 }))
      local tree = far:limit { 2 }
      host.spawn(function() tree:get_many { "a", "b" } end)
      assert.matches("limit of far: no turn before the deadline: inflight = 2",
        select(2, tree:get("c", { timeout = 0.5 })).message)
    end)
  end)

  it("must limit something", function()
    assert.error_matches(function() far:limit {} end,
      "needs inflight, adaptive, bytes, rate or shed")
  end)
end)
