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
    assert.equal(0, tree.calls)
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

  it("refuses a window that can never be full enough", function()
    assert.error_matches(function() far:breaker { min = 20, window = 10 } end,
      "min is over window")
  end)
end)
