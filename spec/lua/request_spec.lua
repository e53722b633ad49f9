local Request = require "weir.core.request"
local Value = require "weir.core.value"
local Host = require "weir.host"


local function refusal(fn, ...)
  local ok, why = pcall(fn, ...)
  assert.is_false(ok)
  return (assert(tostring(why):match "request_spec.lua:%d+: (.*)", why))
end


describe("a request", function()
  it("asks each key once and says where each slot's answer is", function()
    local req = Request.new("get", { "a", "b", "a", "c", "b" })
    assert.same({ "a", "b", "c" }, req.keys)
    assert.equal(3, req.n)
    assert.same({ 1, 2, 1, 3, 2 }, req.positions)
  end)

  it("has no positions when no key comes twice", function()
    assert.is_nil(Request.new("get", { "a", "b" }).positions)
  end)

  it("finds the duplicates of any batch, small or large", function()
    for _, size in ipairs { 1, 63, 64, 255, 256, 257, 10000 } do
      local keys, expected, known = {}, {}, {}
      for i = 1, size do
        keys[i] = "k" .. math.random(size)
        if not known[keys[i]] then
          expected[#expected + 1] = keys[i]
          known[keys[i]] = #expected
        end
      end
      local req = Request.new("get", keys)
      assert.same(expected, req.keys)
      for i = 1, size do
        assert.equal(keys[i], req.keys[req.positions and req.positions[i] or i])
      end
    end
  end)

  it("remembers nothing of the batch before", function()
    for _ = 1, 1000 do
      assert.is_nil(Request.new("get", { "a", "b", "c" }).positions)
    end
  end)

  it("keeps the keys when the caller changes the list", function()
    local keys = { "a", "b" }
    local req = Request.new("get", keys)
    keys[1] = "z"
    assert.same({ "a", "b" }, req.keys)
  end)

  it("stores the last value of a key that comes twice", function()
    local req = Request.new("set", { "a", "b", "a" })
    req:with_values({ "1", "2", "3" }, 3, 1)
    assert.same({ "3", "2" }, req.values)
    assert.equal(2, req:bytes())
  end)

  it("narrows to some slots and keeps the rest", function()
    local req = Request.new("set", { "a", "b", "c" }, { ttl = 5, deadline = 9 })
    req:with_values({ "1", "2", "3" }, 3, 1)
    local some = req:subset { 3, 1 }
    assert.same({ { "c", "a" }, { "3", "1" }, 2, 5, 9 },
      { some.keys, some.values, some.n, some.ttl, some.deadline })
  end)

  it("lets a deadline shrink, never grow", function()
    local req = Request.new("get", { "a" }, { deadline = 10 })
    assert.equal(5, req:with({ deadline = 5 }).deadline)
    assert.equal(10, req:with({ deadline = 20 }).deadline)
    assert.equal(20, Request.new("get", { "a" }):with({ deadline = 20 }).deadline)
  end)

  it("takes the nearer of timeout and deadline", function()
    local before = Host.use { now = function() return 100 end }
    local near = Request.new("get", { "a" }, { timeout = 1, deadline = 105 }).deadline
    local far = Request.new("get", { "a" }, { timeout = 9, deadline = 105 }).deadline
    Host.use(before)
    assert.same({ 101, 105 }, { near, far })
  end)

  it("takes durations in words, as the options of connectors are read", function()
    local before = Host.use { now = function() return 100 end }
    local req = Request.new("set", { "a" }, { timeout = "1500ms", ttl = "10m" })
    Host.use(before)
    assert.same({ 101.5, 600 }, { req.deadline, req.ttl })
  end)
end)


describe("misuse", function()
  it("of keys raises at the caller", function()
    assert.equal("keys are a list of strings, not a string",
      refusal(function() Request.new("get", "a") end))
    assert.equal("a key is a string, not number (key 2 of the list); use tostring(2)",
      refusal(function() Request.new("get", { "a", 2 }) end))
    assert.equal("a key is a string, not a Value; use tostring(v)",
      refusal(function() Request.one("get", Value.new "k", nil, 1) end))
    assert.equal("a key is a string, not nil",
      refusal(function() Request.one("get", nil, nil, 1) end))
  end)

  it("of a list with a hole names the hole, wherever # stops", function()
    local sparse = {}
    for i = 100, 1, -1 do sparse[i] = i ~= 50 and "k" or nil end
    for at, keys in pairs {
      [2] = { "a", nil, "c" }, [1] = { nil, "b" }, [3] = { "a", "b", nil, "d", nil },
      [50] = sparse,
    } do
      assert.equal(("a list of keys has no holes: key %d is nil"):format(at),
        refusal(function() Request.new("get", keys) end))
    end
    local named = { "a", "b", n = 2, [0] = nil }
    assert.equal(2, Request.new("get", named).n)
    assert.equal(0, Request.new("get", { n = 0 }).n)
  end)

  it("of options names what was expected, and the nearest option", function()
    local time = ' must be a time over 0, seconds or a text like "50ms" or "10m", '
    for opts, why in pairs {
      [{ tll = 1 }] = 'set has no option "tll"; did you mean "ttl"?',
      [{ prefix = true }] = 'set has no option "prefix"',
      [{ ttl = -1 }] = "ttl" .. time .. "not -1",
      [{ ttl = "soon" }] = "ttl" .. time .. 'not "soon"',
      [{ ttl = "0s" }] = "ttl" .. time .. 'not "0s"',
      [{ timeout = 0 }] = "timeout" .. time .. "not 0",
      [{ timeout = false }] = "timeout" .. time .. "not false",
      [{ deadline = "now" }] =
        "deadline must be a time of the host's clock in seconds, not \"now\"",
    } do
      assert.equal(why, refusal(function() Request.new("set", { "a" }, opts) end))
    end
    assert.equal("options are a table, not a number",
      refusal(function() Request.new("set", { "a" }, 5) end))
  end)

  it("of lists of different lengths says both", function()
    local req = Request.new("set", { "a", "b" })
    local why = refusal(function() req:with_values({ "1" }, 2, 1) end)
    assert.equal("2 keys but 1 values", why)
  end)
end)
