local fake = require "fake"
local script = require "fake.store"
local weir = require "weir"

describe("route", function()
  local host, a, b, c
  before_each(function()
    host = fake.host()
    a, b, c = script.store(host, "a"), script.store(host, "b"), script.store(host, "c")
  end)
  after_each(fake.leave)

  it("sends each key to the longest prefix that fits", function()
    local tree = weir.route { ["kv/"] = a, ["kv/big/"] = b, default = c }
    host:main(function()
      local keys = { "kv/1", "kv/big/1", "x", "kv" }
      assert.is_true(tree:set_many(keys, keys):all "good")
    end)
    assert.same({ ["kv/1"] = "kv/1" }, a.data)
    assert.same({ ["kv/big/1"] = "kv/big/1" }, b.data)
    assert.same({ x = "x", kv = "kv" }, c.data)
  end)

  it("asks its stores at once and keeps the order of the slots", function()
    a.takes, b.takes = 1, 1
    a.data["a1"], b.data["b1"] = "A", "B"
    local tree = weir.route { a = a, b = b }
    host:main(function()
      local begun = host.now()
      local reply = tree:get_many { "b1", "a1", "b2" }
      assert.equal("BA", reply:string(1) .. reply:string(2))
      assert.equal("miss", reply[3])
      assert.is_true(host.now() - begun < 1.1)
    end)
  end)

  it("leaves the others alone when one store is down", function()
    a.down, b.data["b1"] = "unavailable", "B"
    host:main(function()
      local reply = weir.route { a = a, b = b }:get_many { "a1", "b1" }
      assert.same({ "unavailable", "ok" }, { reply[1], reply[2] })
      assert.equal("a: scripted", reply:error(1).message)
    end)
  end)

  it("answers invalid for a key that belongs to nobody", function()
    host:main(function()
      local _, err = weir.route { a = a }:get "x"
      assert.equal("invalid", err.code)
      assert.matches("no prefix fits", err.message)
    end)
  end)

  it("asks a function", function()
    local tree = weir.route(function(key) return #key > 1 and a or b end)
    host:main(function()
      assert(tree:set("k", "1"))
      assert(tree:set("kk", "2"))
    end)
    assert.same({ kk = "2" }, a.data)
    assert.same({ k = "1" }, b.data)
  end)

  it("scans the stores one after the other", function()
    local tree = weir.route { ["a/"] = weir.memory {}, default = weir.memory {} }
    for _, key in ipairs { "a/1", "a/2", "b/1" } do assert(tree:set(key, "v")) end
    local function keys(prefix)
      local list = {}
      for key in tree:scan { prefix = prefix, page = 1 } do list[#list + 1] = key end
      table.sort(list)
      return table.concat(list, " ")
    end
    assert.equal("a/1 a/2 b/1", keys "")
    assert.equal("a/1 a/2", keys "a/")
    assert.equal("b/1", keys "b")
    tree:close()
  end)

  it("says why", function()
    local tree = weir.route { ["kv/"] = a, default = c }
    assert.equal('the longest prefix that fits is "kv/"',
      tree:explain("get", "kv/1")[1].why)
    assert.equal('["kv/"].a', tree:explain("get", "kv/1")[2].path)
    assert.equal("no prefix fits: default", tree:explain("get", "x")[1].why)
  end)

  it("refuses what is no route", function()
    assert.error_matches(function() weir.route {} end, "at least one prefix")
    assert.error_matches(function() weir.route { x = 1 } end, '%["x"%] is a store')
    assert.error_matches(function() weir.route(a) end, "takes { ")
  end)
end)
