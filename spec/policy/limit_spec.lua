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
    assert.error_matches(function() far:limit {} end, "needs inflight, bytes or rate")
  end)
end)
