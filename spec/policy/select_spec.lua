-- bysize and byop: by what is asked, not by the key.
local fake = require "fake"
local script = require "fake.store"
local weir = require "weir"

local host, a, b, c
local function setup_stores()
  host = fake.host()
  a, b, c = script.store(host, "a"), script.store(host, "b"), script.store(host, "c")
end

describe("bysize", function()
  before_each(setup_stores)
  after_each(fake.leave)

  local function tree() return weir.bysize { { 2, a }, { "4B", b }, c } end

  it("stores by size and finds it again", function()
    host:main(function()
      local reply = tree():set_many({ "x", "y", "z" }, { "1", "123", "12345" })
      assert.is_true(reply:all "good")
      assert.same({ "1", "123", "12345" }, { a.data.x, b.data.y, c.data.z })
      assert.is_true(tree():get_many { "x", "y", "z" }:all "good")
    end)
  end)

  it("deletes the other copy when a value changes class", function()
    host:main(function()
      local store = tree()
      assert(store:set("k", "12345"))
      assert(store:set("k", "1"))
      assert.is_nil(c.data.k)
      c.faults.k, c.data.k = { "busy" }, "old"
      assert(store:set("k", "2"))
      assert(store:delete "k")
      assert.is_nil(store:get "k")
    end)
  end)

  it("deletes it when the class of the new value does not admit that", function()
    host:main(function()
      local store = weir.bysize { { 2, a }, b:admit(weir.maxsize(4)) }
      assert(store:set("k", "1"))
      assert.is_false((store:set("k", "12345")))
      assert.same({}, { store:get "k" })
      assert(store:set("k", "2"))
      a.faults.k = { "busy" }
      assert.is_false((store:set("k", "12345")))
      assert.is_nil(store:get_string "k")
      host.sleep(2)
      assert.same({}, { store:get "k" })
    end)
  end)

  it("touches no old copy in place of a value that is gone", function()
    host:main(function()
      local store = tree()
      assert(store:set("k", "1"))
      a.faults.k = { "busy" }
      assert(store:set("k", "123", { ttl = 5 }))
      host.sleep(6)
      assert.is_false(store:touch("k", 100))
      assert.is_nil(a.expires.k)
    end)
  end)

  it("finds a value that changes class meanwhile, in any order", function()
    for _, value in ipairs { "1", "12345" } do
      fake.orders(function(any)
        local small, large = script.store(any, "small"), script.store(any, "large")
        if value == "1" then large.data.k = "54321" else small.data.k = "5" end
        local store = weir.bysize { { 2, small }, large }
        any:main(function()
          any.spawn(function() assert(store:set("k", value)) end)
          assert(store:get "k")
        end)
      end)
    end
  end)

  it("is a miss only if every class says so", function()
    a.down = "reset"
    host:main(function() assert.equal("reset", select(2, tree():get "k").code) end)
  end)

  it("answers toobig when no class is large enough", function()
    host:main(function()
      local _, err = weir.bysize { { 2, a } }:set("k", "123")
      assert.equal("toobig", err.code)
    end)
  end)

  it("refuses classes out of order", function()
    assert.error_matches(function() weir.bysize { { 4, a }, { 2, b } } end,
      "not larger than the one before")
    assert.error_matches(function() weir.bysize { a, { 2, b } } end, "has no size")
  end)
end)

describe("byop", function()
  before_each(setup_stores)
  after_each(fake.leave)

  it("sends each op to its store", function()
    host:main(function()
      local store = weir.byop { get = a, set = b, default = c }
      store:get "k"
      store:set("k", "v")
      store:delete "k"
    end)
    assert.same({ "get k", "set k", "delete k" }, { a.log[1], b.log[1], c.log[1] })
  end)

  it("is unsupported without a default", function()
    host:main(function()
      assert.equal("unsupported", select(2, weir.byop { get = a }:delete "k").code)
    end)
  end)

  it("suggests the op that was meant", function()
    assert.error_matches(function() weir.byop { gett = a } end, 'did you mean "get"')
  end)
end)
