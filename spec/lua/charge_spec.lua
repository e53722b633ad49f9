-- What the collector is told of C memory: only bytes that are new.

local Value = require "weir.core.value"
local weir = require "weir"

local MIB = 2 ^ 20


-- How often the collector is told to step while fn runs.
local function steps(fn)
  local real, n = collectgarbage, 0
  rawset(_G, "collectgarbage", function(what, ...)
    if what == "step" then n = n + 1 end
    return real(what, ...)
  end)
  local ok, err = pcall(fn)
  rawset(_G, "collectgarbage", real)
  if not ok then error(err, 0) end
  return n
end


describe("opening a store without threads", function()
  it("charges little: it has none of the memory of threads", function()
    local stores = {}
    assert.is_true(steps(function()
      for i = 1, 200 do stores[i] = weir.memory { capacity = "64KiB" } end
    end) <= 1)
    for i = 1, 200 do stores[i]:close() end
  end)
end)


describe("a set", function()
  local store

  before_each(function() store = weir.memory { capacity = "256MiB" } end)
  after_each(function() store:close() end)

  it("of a Value charges nothing to the collector: its bytes are not new", function()
    local value = Value.new(("x"):rep(4 * MIB))
    assert.equal(0, steps(function()
      for i = 1, 100 do assert(store:set("k" .. i % 4, value)) end
      for _ = 1, 50 do
        assert.is_true(store:set_many({ "a", "b" }, { value, value }):all "good")
      end
    end))
  end)

  it("of a string charges its bytes, one key a call and in batches", function()
    local text = ("x"):rep(4 * MIB)
    local single = steps(function()
      for i = 1, 40 do assert(store:set("k" .. i % 4, text)) end
    end)
    local batched = steps(function()
      for _ = 1, 20 do
        assert.is_true(store:set_many({ "a", "b" }, { text, text }):all "good")
      end
    end)
    assert.is_true(single >= 9 and single <= 11, single)
    assert.is_true(batched >= 9 and batched <= 11, batched)
  end)
end)
