-- What the collector is told of C memory: only bytes that are new.

local C = require("weir.ffi").C
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

  before_each(function()
    store = weir.memory { capacity = "256MiB" }
    assert(store:set("read", ("x"):rep(300)) and store:get "read")
  end)
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


-- Its gets answer with copies up to 32 KiB, and with pins from there on.
describe("shm", function()
  local TEXT, TIMES = ("x"):rep(16 * 1024), 4096 -- 64 MiB in all
  local store, large

  before_each(function()
    local path = "/dev/shm/weir-spec-charge-" .. C.weir_getpid()
    store = weir.shm { path = path, capacity = "8MiB", destroy = true }
    large = ("x"):rep(64 * 1024)
    assert(store:set("small", TEXT) and store:set("again", TEXT))
    assert(store:set("large", large))
  end)
  after_each(function() store:close() end)

  local function times(n, fn)
    return steps(function() for _ = 1, n do fn() end end)
  end

  it("charges what its gets leave to the collector, however they are read", function()
    local list = { "small", "again", "nothing" }
    assert.is_true(times(TIMES, function() return store:get "small" end) >= 3)
    assert.is_true(times(TIMES / 2, function() return store:get_many(list) end) >= 3)
    assert.is_true(times(TIMES / 4, function() return store:get "large" end) >= 3)
    local tier = weir.tier { store, weir.null {} }
    assert.is_true(times(TIMES, function() return tier:get "small" end) >= 3)
    assert.is_true(times(TIMES / 2, function() return tier:get_many(list) end) >= 3)
  end)

  it("charges nothing for values that are closed, nor for strings", function()
    local list = { "nothing", "small", "again" }
    assert.equal(0, times(TIMES, function() store:get("small"):close() end))
    assert.equal(0, times(TIMES, function() store:get("large"):close() end))
    assert.equal(0, times(TIMES, function() store:get_many(list):close() end))
    assert.equal(0, times(TIMES, function() return store:get_string "large" end))
    local tier = weir.tier { store, weir.null {} }
    assert.equal(0, times(TIMES, function() tier:get("small"):close() end))
    assert.equal(0, times(TIMES, function() return tier:get_string "small" end))
  end)

  it("charges nothing for sets: no memory is Lua's afterwards", function()
    assert.equal(0, times(TIMES, function() store:set("k", TEXT) end))
    assert.equal(0, times(TIMES / 2, function()
      store:set_many({ "a", "b" }, { TEXT, TEXT })
    end))
  end)
end)
