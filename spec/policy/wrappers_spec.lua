-- The small words: prefix, readonly, tap, meter, delay, fault, fail, policy.
local Reply = require "weir.core.reply"
local fake = require "fake"
local script = require "fake.store"
local weir = require "weir"

local host, far
local function setup_store()
  host = fake.host()
  far = script.store(host, "far", { data = { a = "1" } })
end

describe("prefix", function()
  before_each(setup_store)
  after_each(fake.leave)

  it("puts itself in front of every key, and scan takes it off", function()
    for _, above in ipairs { "a C store", "a node" } do
      local ram = weir.memory {}
      local tree = (above == "a node" and ram:meter "m" or ram):prefix "ns/"
      assert(tree:set("a", "1"))
      assert(ram:set("b", "2"))
      assert.equal("1", tostring(ram:get "ns/a"))
      assert.equal("1", tostring(tree:get "a"))
      local keys = {}
      for key in tree:scan {} do keys[#keys + 1] = key end
      assert.same({ "a" }, keys)
      assert.is_true(tree:delete "a")
      ram:close()
    end
  end)

  it("takes no empty key, which would be one below, and lists none", function()
    far.data["ns/"] = "1"
    host:main(function()
      local tree = far:prefix "ns/"
      assert.equal("invalid", select(2, tree:get "").code)
      assert.equal("invalid", select(2, tree:delete "").code)
      local reply = tree:set_many({ "", "b" }, { "1", "2" })
      assert.same({ "invalid", "ok" }, { reply[1], reply[2] })
      local keys = {}
      for key in tree:scan {} do keys[#keys + 1] = key end
      assert.same({ "b" }, keys)
    end)
    assert.equal("1", far.data["ns/"])
  end)

  it("keeps the request of the caller apart from that below", function()
    host:main(function()
      local reply = far:prefix "ns/":get_many { "a", "b" }
      assert.same({ "a", "b" }, reply:residual().keys)
    end)
  end)
end)

describe("readonly", function()
  before_each(setup_store)
  after_each(fake.leave)

  it("denies writes without sending them", function()
    local tree = far:readonly()
    host:main(function()
      assert.equal("1", tostring(tree:get "a"))
      assert.equal("denied", select(2, tree:set("a", "2")).code)
      assert.equal("denied", select(2, tree:delete "a").code)
      assert.equal("denied", select(2, tree:touch("a", 1)).code)
    end)
    assert.equal(1, far.calls)
  end)
end)

describe("tap", function()
  before_each(setup_store)
  after_each(fake.leave)

  it("sees each batch, and its errors change nothing", function()
    local seen = {}
    local tree = far:tap(function(req, reply)
      seen[#seen + 1] = req.op .. " " .. reply[1]
      if req.op == "set" then error "oops" end
    end)
    host:main(function()
      tree:get "a"
      assert.is_true(tree:set("b", "2"))
    end)
    assert.same({ "get ok", "set ok" }, seen)
    assert.equal(1, tree:tally().failures)
  end)
end)

describe("meter", function()
  before_each(setup_store)
  after_each(fake.leave)

  it("counts under its own name", function()
    local tree = weir.route { default = far:meter "checkout" }
    host:main(function() tree:get_many { "a", "b" } end)
    local counts = tree:stats()["default.checkout"].ops.get
    assert.same({ ok = 1, miss = 1 }, counts.status)
    assert.equal(2, counts.keys)
    assert.equal(1, counts.bytes)
  end)
end)

describe("delay", function()
  before_each(setup_store)
  after_each(fake.leave)

  it("waits, the same for the same key", function()
    local tree, spent = far:delay { 1, spread = 0.5, seed = 3 }, {}
    host:main(function()
      for i, keys in ipairs { { "a" }, { "b" }, { "a" }, { "a", "b" } } do
        local begun = host.now()
        tree:get_many(keys)
        spent[i] = host.now() - begun
      end
    end)
    assert.near(spent[1], spent[3], 1e-9)
    assert.near(math.max(spent[1], spent[2]), spent[4], 1e-9)
    assert.is_true(spent[1] >= 0.5 and spent[1] <= 1.5)
  end)
end)

describe("fault", function()
  before_each(setup_store)
  after_each(fake.leave)

  it("fails a share of the keys, the same ones with the same seed", function()
    local keys = {}
    for i = 1, 200 do keys[i] = "k" .. i end
    host:main(function()
      local function run(seed)
        return far:fault { 0.3, status = "busy", seed = seed }:get_many(keys)
      end
      local one, two, other = run(1), run(1), run(2)
      local failed, same = one:count "busy", 0
      assert.is_true(failed > 40 and failed < 80)
      for i = 1, 200 do
        assert.equal(one[i], two[i])
        if one[i] == other[i] then same = same + 1 end
      end
      assert.is_true(same < 200)
    end)
  end)

  it("draws anew at another attempt", function()
    host:main(function()
      local tree = far:fault { 0.5 }:retry { 20, budget = false }
      assert.equal("1", tostring(tree:get "a"))
    end)
  end)
end)

describe("fail", function()
  before_each(setup_store)
  after_each(fake.leave)

  it("answers every slot with its status", function()
    local reply = weir.fail "busy":get_many { "a", "b" }
    assert.same({ "busy", "busy" }, { reply[1], reply[2] })
    assert.equal("fail busy", reply:error(1).message)
    assert.error_matches(function() weir.fail "buzy" end, 'did you mean "busy"')
  end)
end)

describe("a policy of one's own", function()
  before_each(setup_store)
  after_each(fake.leave)

  local function mostly_local(near, other)
    return weir.policy {
      children = { near = near, far = other },
      run = function(_, req)
        local first = near:run(req)
        if first:all "good" then return first end
        return first:merge(other:run(first:residual()))
      end,
    }
  end

  it("is a table with run, counted and traced like any word", function()
    local near = script.store(host, "near", { data = { b = "2" } })
    local tree = mostly_local(near, far)
    host:main(function()
      local reply = tree:get_many { "a", "b", "c" }
      assert.same({ "1", "2" }, { reply:string(1), reply:string(2) })
      assert.equal("miss", reply[3])
      assert.same({ "get a,c" }, far.log)
      assert.equal(3, tree:stats()["policy"].ops.get.keys)
      assert.equal("policy", tree:trace("a")[1].path)
    end)
  end)

  it("must answer a scan with a page, or say that it cannot", function()
    for _, value in ipairs { "abc", ("\255"):rep(64), ("\0"):rep(23), false } do
      local tree = weir.policy { run = function(_, req)
        local reply = Reply.new(req)
        reply:set(1, "ok", { value = value or nil })
        return reply
      end }
      assert.error_matches(function() tree:scan {}() end,
        'policy: run answered a scan with something that is no page of keys; pass it '
        .. 'to a store, or answer "unsupported"', 1, true)
    end
    local tree = weir.policy { children = { far }, run = function(_, req)
      return far:run(req)
    end }
    host:main(function() assert.equal("a", (tree:scan {}())) end)
  end)

  it("must answer every slot", function()
    local tree = weir.policy { run = function() return {} end }
    assert.error_matches(function() tree:get "a" end, "must return a reply of 1 slots")
    assert.error_matches(function() weir.policy {} end, "needs run")
    assert.error_matches(function() weir.policy { runn = 1 } end, 'did you mean "run"')
    assert.error_matches(function()
      weir.policy { run = print, children = { 7 } }
    end, "child 1 is a store, not 7")
  end)
end)
