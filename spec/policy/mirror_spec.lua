local fake = require "fake"
local script = require "fake.store"
local weir = require "weir"

describe("mirror", function()
  local host, a, b, c
  before_each(function()
    host = fake.host()
    a, b, c = script.store(host, "a"), script.store(host, "b"), script.store(host, "c")
  end)
  after_each(fake.leave)

  it("writes to all and says how many copies landed", function()
    c.faults.y = "nospace"
    host:main(function()
      local reply = weir.mirror { a, b, c }:set_many({ "x", "y" }, { "1", "2" })
      assert.same({ "ok", "nospace" }, { reply[1], reply[2] })
      assert.same({ 3, 2 }, reply.copies)
    end)
    assert.equal("2", a.data.y)
  end)

  it("says how many copies landed through a retry, a route and duplicates", function()
    b.faults.x = { "busy", "ok" }
    host:main(function()
      local tree = weir.route { x = weir.mirror { a, b }:retry { 2 }, default = c }
      local reply = tree:set_many({ "x", "y", "x" }, { "1", "2", "3" })
      assert.same({ [1] = 2, [3] = 2 }, reply.copies)
    end)
  end)

  it("is told by as many as ack says, while the others go on", function()
    for ack, seconds in pairs { first = 1, [2] = 2, all = 3 } do
      a.takes, b.takes, c.takes = 3, 1, 2
      host:main(function()
        local begun = host.now()
        assert(weir.mirror { a, b, c, ack = ack }:set("k" .. ack, "v"))
        assert.equal(seconds, host.now() - begun)
      end)
      assert.equal("v", a.data["k" .. ack])
    end
  end)

  it("answers with the k-th best status", function()
    a.down, b.down = "timeout", "busy"
    for ack, status in pairs { first = "ok", [2] = "busy", all = "timeout" } do
      host:main(function()
        local reply = weir.mirror { a, b, c, ack = ack }:set_many({ "k" }, { "v" })
        assert.equal(status, reply[1])
      end)
    end
  end)

  it("counts no store that did not admit the value as one that has it", function()
    local picky, tree = a:admit(weir.maxsize(1)), nil
    host:main(function()
      for _, order in ipairs { { picky, b }, { b, picky } } do
        tree = weir.mirror { order[1], order[2], ack = 1 }
        assert.same({ true }, { tree:set("k", "long") })
        assert.equal("long", tree:get_string "k")
        assert.is_false((weir.mirror { order[1], order[2] }:set("k", "long")))
      end
      assert.is_false((weir.mirror { picky, a:admit(weir.never), ack = 1 }
        :set("k", "long")))
    end)
  end)

  it("says how many copies there are when they are too few", function()
    c.down = "nospace"
    host:main(function()
      local _, err = weir.mirror { a, b, c }:set("k", "v")
      assert.equal("nospace", err.code)
      assert.equal("mirror: 2 of 3 copies written, 3 wanted: c: scripted", err.message)
      assert.equal("c", err.store)
      b.down = "timeout"
      _, err = weir.mirror { a, b, c, ack = 2 }:delete "k"
      assert.matches("^mirror: 1 of 3 copies written, 2 wanted: ", err.message)
      a.takes, b.takes = 3, 3
      b.down = nil
      _, err = weir.mirror { a, b, ack = 1 }:set("k", "v", { timeout = 1 })
      assert.matches("copies", err.message)
    end)
  end)

  it("passes a copy by that did not confirm a write", function()
    a.data.k, b.data.k = "v1", "v1"
    local tree = weir.mirror { a, b, ack = 1 }
    host:main(function()
      a.down = "unavailable"
      assert(tree:set("k", "v2"))
      a.down = nil
      assert.equal("v2", tostring(tree:get "k"))
      host.sleep(5)
      assert.equal("v2", tostring(tree:get "k"))
      assert.is_nil(a.data.k)
    end)
  end)

  it("trusts no old copy again because its time was changed", function()
    a.data.k, b.data.k = "v1", "v1"
    local tree = weir.mirror { a, b, ack = 1 }
    host:main(function()
      b.down = "unavailable"
      assert(tree:set("k", "v2"))
      b.down = nil
      assert(tree:touch("k", 100))
      a.down = "unavailable"
      local value, err = tree:get "k"
      assert.is_nil(value)
      assert.truthy(err)
    end)
  end)

  it("changes the time of no old copy in place of the value", function()
    a.data = { k = "old", gone = "old" }
    local tree = weir.mirror { a, b, ack = 1 }
    host:main(function()
      a.down = "unavailable"
      assert(tree:set("k", "v"))
      assert.is_false(tree:delete "gone")
      a.down, b.down = nil, "unavailable"
      assert.is_nil(tree:touch("k", 100))
      b.down = nil
      assert.is_false(tree:touch("gone", 100))
      tree:exists "k" -- this has the old copies deleted
      host.sleep(5)
      assert.equal("v", tree:get_string "k")
      assert(tree:touch("k", 100))
    end)
    assert.same({ {}, { k = "v" } }, { a.data, b.data })
  end)

  it("says of no key that it is not there to touch while a store fails", function()
    host:main(function()
      for _, mirror in ipairs { weir.mirror { a, b, ack = 1 }, weir.mirror { b, a } } do
        a.down, b.down, b.data.k = nil, nil, "v"
        assert(mirror:touch("k", 100))
        b.down = "unavailable"
        local touched, err = mirror:touch("k", 100)
        assert.same({ nil, "unavailable" }, { touched, err and err.code })
        assert.equal("v", b.data.k)
      end
    end)
  end)

  it("keeps a copy that is late to confirm a new time", function()
    a.data.k, b.data.k = "v", "v"
    b.takes = 1
    local tree = weir.mirror { a, b, ack = 1 }
    host:main(function()
      assert(tree:touch("k", 100))
      assert.equal(1, tree:tally().unconfirmed)
      host.sleep(2)
      assert.equal(0, tree:tally().unconfirmed)
      assert.equal("v", b.data.k)
    end)
  end)

  it("can be read while a write is on its way", function()
    a.data.k, b.data.k = "v1", "v1"
    a.takes, b.takes = 1, 1
    for _, ack in ipairs { 1, "all" } do
      local tree = weir.mirror { a, b, ack = ack }
      host:main(function()
        host.spawn(function() assert(tree:set("k", "v2")) end)
        a.takes = nil
        assert(tree:get "k")
        a.takes = 1
      end)
    end
  end)

  it("waits for every copy when it cannot note which are old", function()
    local tree = weir.mirror { a, b, c, ack = 1 }
    tree.suspects[3].most = 0
    b.takes, c.takes = 1, 2
    host:main(function()
      local begun = host.now()
      assert(tree:set("k", "v1"))
      assert.equal(2, host.now() - begun)
      assert.equal(0, tree:tally().unconfirmed)
      c.down = "unavailable"
      assert.equal("unavailable", select(2, tree:set("k", "v2")).code)
    end)
  end)

  it("keeps all copies when a write reached nobody", function()
    a.data.k, b.data.k = "v1", "v1"
    local tree = weir.mirror { a, b, ack = 1 }
    host:main(function()
      a.down, b.down = "busy", "busy"
      assert.is_nil((tree:set("k", "v2")))
      a.down, b.down = nil, nil
      assert.equal("v1", tostring(tree:get "k"))
    end)
  end)

  it("reads in order, past errors and misses", function()
    a.faults.x, b.data.x, b.data.y = "reset", "1", "2"
    host:main(function()
      local reply = weir.mirror { a, b }:get_many { "x", "y", "z" }
      assert.same({ "ok", "ok", "miss" }, { reply[1], reply[2], reply[3] })
      assert.same({ "get x,y,z" }, b.log)
    end)
  end)

  it("reads the fastest good answer of each slot", function()
    a.takes, b.takes = 5, 1
    a.data.x, a.data.y, b.data.x = "1", "2", "1"
    host:main(function()
      local tree, begun = weir.mirror { a, b, read = "fastest" }, host.now()
      assert.equal("1", tostring(tree:get "x"))
      assert.equal(1, host.now() - begun)
      local reply = tree:get_many { "x", "y" }
      assert.same({ "1", "2" }, { reply:string(1), reply:string(2) })
    end)
  end)

  it("repairs the copies that miss what another has", function()
    for _, read in ipairs { "first", "fastest" } do
      a.data.k, b.data.k = nil, "v"
      host:main(function()
        weir.mirror { a, b, read = read, ["repair"] = true }:get "k"
      end)
      assert.equal("v", a.data.k, read)
    end
  end)

  it("refuses to wait for more copies than there are", function()
    assert.error_matches(function() weir.mirror { a, b, ack = 3 } end,
      "ack = 3 but 2 stores")
    assert.error_matches(function() weir.mirror { a, b, ack = "most" } end,
      '"all", "first" or a number')
  end)

  it("says which store answered", function()
    for _, read in ipairs { "first", "fastest" } do
      local one, two = script.store(host, "one"), script.store(host, "two")
      one.data.x, two.data.y = "1", "2"
      host:main(function()
        local reply = weir.mirror { one, two, read = read }:get_many { "x", "y", "z" }
        assert.same({ 1, 2 }, { reply:level(1), reply:level(2) }, read)
        assert.is_nil(reply:level(3))
      end)
    end
  end)
end)
