-- coalesce, negative, admit: what a cache does besides storing; ttl is in ttl_spec. The
-- races of coalesce are in traps_spec (5).
local ffi = require "ffi"
local fake = require "fake"
local script = require "fake.store"
local weir = require "weir"

local host, far
local function setup_store()
  host = fake.host()
  far = script.store(host, "far", { data = { a = "1", b = "2" } })
end

describe("coalesce", function()
  before_each(setup_store)
  after_each(fake.leave)

  it("joins what is being read and asks for the rest", function()
    far.takes = 1
    local tree, first, second = far:coalesce()
    host:main(function()
      host.spawn(function() first = tree:get_many { "a", "b" } end)
      second = tree:get_many { "b", "c", "a" }
    end)
    assert.same({ "get a,b", "get c" }, far.log)
    assert.same({ "2", "1" }, { second:string(1), second:string(3) })
    assert.equal("1", first:string(1))
    assert.same({ led = 3, joined = 2, elected = 0, left = 0, flying = 0 },
      tree:tally())
  end)

  it("copies what it joined into the caller's buffer", function()
    far.takes = 1
    local tree, buffer = far:coalesce(), ffi.new "char[4]"
    host:main(function()
      host.spawn(function() tree:get "a" end)
      assert.equal(1, tree:get_into("a", buffer))
    end)
    assert.equal("1", ffi.string(buffer, 1))
  end)

  it("leaves when its own time is up", function()
    far.takes = 3
    local tree = far:coalesce()
    host:main(function()
      host.spawn(function() tree:get "a" end)
      local begun = host.now()
      assert.equal("timeout", select(2, tree:get("a", { timeout = 1 })).code)
      assert.equal(1, host.now() - begun)
    end)
  end)
end)

describe("coalesce, when the leader hangs,", function()
  before_each(setup_store)
  after_each(fake.leave)

  -- A policy of one's own without a bound: its first calls take an hour.
  local function hangs(times)
    local calls = 0
    return weir.policy { name = "hangs", children = { far }, run = function(_, req)
      calls = calls + 1
      host.sleep(calls <= times and 3600 or 0.001)
      return far:run(req)
    end }, function() return calls end
  end

  it("lets somebody else lead after the leader's deadline", function()
    local store, calls = hangs(1)
    local tree = store:coalesce()
    host:main(function()
      assert.equal("timeout", select(2, tree:get("a", { timeout = 0.1 })).code)
      assert.equal("1", tostring(tree:get("a", { timeout = 0.2 })))
      assert.equal(2, calls())
    end)
    assert.is_nil(next(tree.reads))
    assert.equal(0, tree.n_reads)
  end)

  it("keeps nobody who joined for longer than wait", function()
    local store, calls = hangs(1)
    local tree, answers = store:coalesce { wait = 2 }, 0
    host:main(function()
      host.spawn(function() tree:get "a" end)
      for _ = 1, 10 do
        host.spawn(function()
          assert.equal("1", tostring(tree:get "a"))
          assert.near(2, host.now() - 1000, 0.01)
          answers = answers + 1
        end)
      end
      host.sleep(3)
      assert.equal(10, answers)
      assert.equal(2, calls())
      assert.equal(10, tree:tally().left)
    end)
  end)

  it("asks a store that always hangs once in that time", function()
    local store, calls = hangs(1e9)
    local tree = store:coalesce { wait = 2 }
    host:main(function()
      for _ = 1, 20 do
        host.spawn(function() tree:get("a", { timeout = 9 }) end)
      end
      host.sleep(9.5)
    end)
    assert.equal(5, calls())
  end)
end)

describe("negative", function()
  before_each(setup_store)
  after_each(fake.leave)

  it("remembers a miss for a while", function()
    local tree = far:negative { ttl = 5 }
    host:main(function()
      tree:get_many { "a", "x" }
      tree:get_many { "a", "x" }
      assert.same({ "get a,x", "get a" }, far.log)
      host.sleep(5.1)
      tree:get "x"
      assert.equal("get x", far.log[3])
    end)
  end)

  it("forgets it with a set or a delete", function()
    local tree = far:negative { ttl = 50 }
    host:main(function()
      tree:get "x"
      assert(tree:set("x", "v"))
      assert.equal("v", tostring(tree:get "x"))
    end)
  end)

  it("makes no entry of a read that a set overlapped, in any order", function()
    fake.orders(function(any)
      local store = script.store(any, "far")
      local tree = store:negative { ttl = 50 }
      any:main(function()
        any.spawn(function() tree:get "x" end)
        assert(tree:set("x", "v"))
      end)
      any:main(function() assert.equal("v", tostring(tree:get "x")) end)
    end)
  end)

  it("remembers no error", function()
    far.faults.x = { "timeout" }
    local tree = far:negative {}
    host:main(function()
      tree:get "x"
      tree:get "x"
    end)
    assert.equal(2, far.calls)
  end)

  it("holds no more than its maximum, the newest", function()
    local tree = far:negative { ttl = 50, max = 10 }
    host:main(function()
      for i = 1, 50 do tree:get("x" .. i) end
      assert.equal(10, tree:tally().entries)
      assert.equal(40, tree:tally().dropped)
      far.log = {}
      tree:get_many { "x50", "x1" }
      assert.same({ "get x1" }, far.log)
    end)
  end)

  it("counts on when it forgets all of them", function()
    local tree = far:negative { ttl = 50, max = 10 }
    host:main(function()
      for i = 1, 50 do tree:get("x" .. i) end
      tree:forget()
      assert.equal(0, tree:tally().entries)
      assert.equal(40, tree:tally().dropped)
      for i = 1, 11 do tree:get("x" .. i) end
      assert.equal(10, tree:tally().entries)
      assert.equal(41, tree:tally().dropped)
    end)
  end)
end)

describe("admit", function()
  before_each(setup_store)
  after_each(fake.leave)

  it("refuses, and deletes the older copy first", function()
    host:main(function()
      local tree = far:admit { weir.maxsize(3) }
      local stored, err = tree:set("a", "1234")
      assert.is_false(stored)
      assert.equal("rejected", err.code)
      assert.is_nil(far.data.a)
      assert.is_true(tree:set("a", "123"))
    end)
  end)

  it("is an error when the older copy cannot be deleted", function()
    far.faults.a = "busy"
    host:main(function()
      local _, err = far:admit(weir.never):set("a", "v")
      assert.equal("busy", err.code)
    end)
  end)

  it("takes in what is offered again", function()
    local tree = weir.admit { far, weir.hits(2) }
    host:main(function()
      local reply = tree:set_many({ "x", "y" }, { "1", "2" })
      assert.is_true(reply:all "rejected")
      reply = tree:set_many({ "x", "z" }, { "1", "2" })
      assert.same({ "ok", "rejected" }, { reply[1], reply[2] })
    end)
    assert.same({ admitted = 1, refused = 3, forgotten = 0 }, tree:tally())
  end)

  it("looks at how full its store is", function()
    local ram = weir.memory { capacity = "1MiB" }
    local tree = ram:admit(weir.below(0.5))
    local stored = 0
    for i = 1, 30 do
      if tree:set("k" .. i, ("x"):rep(40 * 1024)) then stored = stored + 1 end
      host:advance(0.1)
    end
    assert.is_true(stored > 8 and stored < 20, stored)
    ram:close()
  end)
end)
