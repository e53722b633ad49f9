-- scan over words that keep copies: the keys that a get finds, each once, and no key
-- that stays is left out while copies and writes go on. That it holds for every word
-- over random trees is in laws_spec.lua.

local fake = require "fake"
local script = require "fake.store"
local weir = require "weir"


describe("a scan over stores with copies", function()
  local host, a, b

  before_each(function()
    host = fake.host()
    a, b = script.store(host, "a"), script.store(host, "b")
    a.most, b.most = 1, 1
  end)

  after_each(fake.leave)

  -- What a scan lists, sorted; fn(key, n) is called at each key.
  local function scan(store, fn, opts)
    local keys = {}
    for key in store:scan(opts or {}) do
      keys[#keys + 1] = key
      if fn then fn(key, #keys) end
    end
    table.sort(keys)
    return table.concat(keys, " ")
  end

  local function in_host(fn)
    local result
    host:main(function() result = fn() end)
    return result
  end

  it("lists what any tier holds, once", function()
    a.data, b.data = { k = "1", up = "1" }, { k = "1", down = "1" }
    local tree = weir.tier { a, b }
    assert.equal("down k up", in_host(function() return scan(tree) end))
    assert.equal("k", in_host(function() return scan(tree, nil, { prefix = "k" }) end))
  end)

  it("goes past an upper tier that is down, not past the authority", function()
    a.data, b.data = { up = "1" }, { down = "1" }
    local tree = weir.tier { a, b }
    a.down = "unavailable"
    assert.equal("down", in_host(function() return scan(tree) end))
    a.down, b.down = nil, "unavailable"
    local ok, err
    local seen = {}
    host:main(function()
      ok, err = pcall(scan, tree, function(key) seen[#seen + 1] = key end)
    end)
    assert.is_false(ok)
    assert.equal("unavailable", err.code)
    assert.same({ "up" }, seen) -- what can be listed comes before the error
  end)

  it("asks a store that was put off again, below a retry", function()
    local tree = weir.shard { a, b, hash = "jump" }
    for _, key in ipairs { "p", "q", "r", "s" } do
      in_host(function() assert(tree:set(key, "1")) end)
    end
    a.down = "unavailable"
    host.timer(0.02, function() a.down = nil end)
    local retried = tree:retry { 5, base = 0.01, jitter = "none", budget = false }
    assert.equal("p q r s", in_host(function() return scan(retried) end))
  end)

  it("leaves nothing out that is copied meanwhile, either way", function()
    local keys, data = { "k1", "k2", "k3" }, { k1 = "1", k2 = "1", k3 = "1" }
    local fastest = weir.mirror { a, b, read = "fastest", repair = true }
    a.takes = function(req) return req.op == "get" and 0.01 or 0 end
    local cases = { { weir.tier { a, b }, b }, { fastest, a } }
    for _, case in ipairs(cases) do
      a.data, b.data = {}, {}
      for key, value in pairs(data) do case[2].data[key] = value end
      a.data.a, b.data.b = "1", "1"
      local found = in_host(function()
        return scan(case[1], function(_, n)
          if n > 1 then return end
          case[1]:get_many(keys)
          host.sleep(1) -- until the copies are made
        end)
      end)
      for key in pairs(data) do
        assert.matches(key, found)
        assert.equal("1", a.data[key])
        assert.equal("1", b.data[key])
      end
    end
  end)

  it("leaves nothing out that changes its class meanwhile, either way", function()
    for _, change in ipairs { { "1", "1234567" }, { "1234567", "1" } } do
      a.data, b.data = {}, {}
      local tree = weir.bysize { { 3, a }, b }
      in_host(function()
        for _, key in ipairs { "k1", "k2", "k3" } do tree:set(key, change[1]) end
        tree:set("low", "1")
        tree:set("high", "1234567")
      end)
      local keys = in_host(function()
        return scan(tree, function(_, n)
          if n ~= 1 then return end
          for _, key in ipairs { "k1", "k2", "k3" } do tree:set(key, change[2]) end
        end)
      end)
      for _, key in ipairs { "k1", "k2", "k3", "low", "high" } do
        assert.matches(key, keys)
      end
    end
  end)

  it("leaves nothing out that comes back from a stand-in meanwhile", function()
    local tree = weir.failover { a, b }
    a.down = "unavailable"
    in_host(function()
      for _, key in ipairs { "k1", "k2", "k3" } do assert(tree:set(key, "1")) end
    end)
    a.down = nil
    local keys = in_host(function()
      return scan(tree, function(_, n)
        if n == 1 then
          for _, key in ipairs { "k1", "k2", "k3" } do assert(tree:set(key, "2")) end
        end
      end)
    end)
    for _, key in ipairs { "k1", "k2", "k3" } do assert.matches(key, keys) end
  end)

  it("of a failover lists a stand-in's key only if a get finds it", function()
    a.data, b.data = { k = "1" }, { k = "1", stale = "1" }
    assert.equal("k", in_host(function() return scan(weir.failover { a, b }) end))
    assert.equal("k stale", in_host(function()
      return scan(weir.failover { a, b, on = "miss" })
    end))
  end)

  it("of a mirror needs no store while another is known to hold all", function()
    local tree = weir.mirror { a, b, ack = 1 }
    in_host(function() assert(tree:set("k", "1")) end)
    a.down = "unavailable"
    assert.equal("k", in_host(function() return scan(tree) end))
    in_host(function() assert(tree:set("only b", "1")) end)
    assert.equal("k only b", in_host(function() return scan(tree) end))
    a.down, b.down = nil, "unavailable"
    local ok, err
    host:main(function() ok, err = pcall(scan, tree) end)
    assert.is_false(ok)
    assert.equal("unavailable", err.code)
  end)

  it("of a mirror needs a store while others have lost copies to it", function()
    local tree = weir.mirror { a, b, ack = 1 }
    in_host(function()
      a.down = "unavailable"
      assert(tree:set("k", "1"))
      a.down = nil
      tree:exists "k" -- the copy of a may be old, and is deleted
      host.sleep(2)
      assert.equal(0, tree:tally().unconfirmed)
      b.down = "unavailable"
      assert.is_false((pcall(scan, tree)))
    end)
    tree = weir.mirror { script.store(host, "c"):admit(weir.never), b, ack = 1 }
    in_host(function()
      b.down = nil
      assert(tree:set("k", "1"))
      b.down = "unavailable"
      assert.is_false((pcall(scan, tree)))
    end)
  end)

  it("of a mirror lists a key once while its old copy is deleted", function()
    local c = script.store(host, "c")
    local tree = weir.mirror { a, b, c, ack = 1 }
    c.down = "unavailable"
    in_host(function() assert(tree:set("k", "1")) end)
    c.down, c.takes = nil, function(req) return req.op == "delete" and 1 or 0 end
    assert.equal("k", in_host(function() return scan(tree) end))
    assert.equal(1, c:count "delete")
  end)

  it("lists no old copy that is deleted while its page is on the way", function()
    for _, op in ipairs { "set", "delete" } do
      a.data, b.data = { k = "0" }, { k = "0", other = "0" }
      local tree = weir.mirror { a, b, ack = 1 }
      b.down = "unavailable"
      in_host(function() assert(tree[op](tree, "k", op == "set" and "1" or nil)) end)
      b.down = nil
      local run, held = b.run, false
      function b.run(self, req)
        local reply = run(self, req)
        if req.op == "scan" and not held then
          held = true
          host.sleep(1)
        end
        return reply
      end
      host.timer(0.1, function() host.spawn(function() tree:exists "other" end) end)
      local expected = op == "set" and "k other" or "other"
      assert.equal(expected, in_host(function() return scan(tree) end))
      assert.is_true(held)
      assert.is_nil(b.data.k)
      b.run = nil
    end
  end)

  it("of a route lists what is routed there", function()
    a.data = { ["a/1"] = "1", ["a/b/1"] = "1", other = "1" }
    b.data = { ["a/1"] = "1", ["x"] = "1" }
    local c = script.store(host, "c")
    c.data = { ["a/b/2"] = "1", ["a/1"] = "1" }
    local tree = weir.route { ["a/"] = a, ["a/b/"] = c, default = b }
    assert.equal("a/1 a/b/2 x", in_host(function() return scan(tree) end))
    assert.equal("a/1 a/b/2",
      in_host(function() return scan(tree, nil, { prefix = "a/" }) end))
  end)

  it("of a byop lists what get finds", function()
    a.data, b.data = { near = "1" }, { far = "1" }
    local tree = weir.byop { get = a, default = b }
    assert.equal("near", in_host(function() return scan(tree) end))
    assert.equal("lists what get finds", tree:explain("scan", "")[1].why)
    assert.equal("far",
      in_host(function() return scan(weir.byop { get = a, scan = b }) end))
  end)

  it("of a negative leaves out what is known to be absent", function()
    local tree = weir.negative(a, { ttl = 10 })
    in_host(function() tree:get "k" end)
    a.data = { k = "1", l = "1" } -- written past it
    assert.equal("l", in_host(function() return scan(tree) end))
    host:advance(11)
    assert.equal("k l", in_host(function() return scan(tree) end))
  end)

  it("cannot list the stores of a function", function()
    local tree = weir.route(function() return a end)
    in_host(function() tree:set("k", "1") end)
    local ok, err = pcall(scan, tree)
    assert.is_false(ok)
    assert.equal("unsupported", err.code)
    assert.matches("route: a function does not say", err.message)
  end)

  describe("of a policy of one's own", function()
    local function near_then_far(scans)
      return weir.policy {
        name = "mine", children = { near = a, far = b }, scan = scans,
        run = function(_, req)
          local first = a:run(req)
          if first:all "good" then return first end
          return first:merge(b:run(first:residual()))
        end,
      }
    end

    it("is unsupported without scan", function()
      a.data, b.data = { near = "1" }, { far = "1" }
      local ok, err
      host:main(function() ok, err = pcall(scan, near_then_far()) end)
      assert.is_false(ok)
      assert.equal("unsupported", err.code)
      assert.matches("^mine: a policy over several stores", err.message)
    end)

    it("is what its scan says", function()
      b.data = { far = "1" }
      local tree = near_then_far(function(self, req)
        return self.children.far:run(req)
      end)
      assert.equal("far", in_host(function() return scan(tree) end))
    end)

    it("goes through run where there is one store", function()
      a.data = { k = "1" }
      local tree = weir.policy { children = { a }, run = function(_, req)
        return a:run(req)
      end }
      assert.equal("k", in_host(function() return scan(tree) end))
    end)
  end)
end)
