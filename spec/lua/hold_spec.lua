local Hold = require "weir.core.hold"
local Value = require "weir.core.value"
local weir = require "weir"


-- Two collections: the second sweeps what the first found.
local function collect()
  collectgarbage()
  collectgarbage()
  collectgarbage()
end


describe("a ledger", function()
  it("releases what was dropped at once, what was collected then, once each", function()
    local released, live = 0, {}
    local take, keep, drop = Hold.ledger(function() released = released + 1 end)
    local function fill()
      for i = 1, 900 do
        local slot, object = take(), {}
        keep(slot, object)
        if i % 3 == 0 then live[slot] = object end
        if i % 3 == 1 then drop(slot) end
      end
    end
    fill()
    assert.is_true(released >= 300)
    collect()
    assert.equal(600, released)
    for slot in pairs(live) do live[slot] = nil end
    collect()
    assert.equal(900, released)
    collect()
    assert.equal(900, released)
  end)

  it("does not take a slot away before its object stands there", function()
    local released = 0
    local take, keep = Hold.ledger(function() released = released + 1 end)
    local slot = take()
    collect()
    assert.equal(0, released)
    keep(slot, {})
    collect()
    assert.equal(1, released)
  end)

  it("releases a bounded number with each slot that is taken", function()
    local n, released = 50000, 0
    local take, keep = Hold.ledger(function() released = released + 1 end)
    for _ = 1, n do keep(take(), {}) end
    collectgarbage()
    collectgarbage "stop"
    local most, calls = 0, 0
    while released < n and calls < n do
      local before = released
      take()
      most, calls = math.max(most, released - before), calls + 1
    end
    collectgarbage "restart"
    assert.equal(n, released)
    assert.is_true(most <= 64, most)
    assert.is_true(calls <= 3 * n / 64, calls)
  end)

  it("releases all in the end when no slot is taken any more", function()
    local n, released = 50000, 0
    local take, keep = Hold.ledger(function() released = released + 1 end)
    for _ = 1, n do keep(take(), {}) end
    for _ = 1, 2 + math.ceil(n / 16384) do
      local before = released
      collectgarbage() -- which may end a collection that was under way first
      assert.is_true(released - before <= 2 * 16384)
    end
    assert.equal(n, released)
  end)

  it("uses its slots again", function()
    local take, keep = Hold.ledger(function() end)
    local most = 0
    for _ = 1, 10 do
      for _ = 1, 100 do
        local slot = take()
        keep(slot, {})
        most = math.max(most, slot)
      end
      collect()
    end
    assert.is_true(most <= 300)
  end)
end)


describe("values and replies", function()
  it("keep their bytes through any order of making, closing and collecting", function()
    math.randomseed(7)
    local kept = {}
    for i = 1, 2000 do
      local at = math.random(50)
      if kept[at] then assert.is_true(kept[at].value == kept[at].text) end
      if math.random(4) == 1 and kept[at] then kept[at].value:close() end
      local text = ("%d:"):format(i):rep(math.random(400))
      kept[at] = { text = text, value = Value.new(text) }
      if i % 500 == 0 then collectgarbage() else collectgarbage("step", 1) end
    end
    for _, one in pairs(kept) do assert.is_true(one.value == one.text) end
  end)

  it("keep the bytes of batches, whose room is used again", function()
    local store = weir.memory { capacity = "16MiB" }
    for i = 1, 100 do store:set("k" .. i, ("v" .. i):rep(i)) end
    local kept = {}
    for i = 1, 2000 do
      local keys = {}
      for k = 1, math.random(100) do keys[k] = "k" .. math.random(100) end
      kept[i % 20] = { keys = keys, reply = store:get_many(keys) }
      if i % 500 == 0 then collectgarbage() end
      local one = kept[math.random(20) - 1]
      for k = 1, one and #one.keys or 0 do
        local number = tonumber(one.keys[k]:sub(2))
        assert.is_true(one.reply:string(k) == ("v" .. number):rep(number))
      end
    end
    store:close()
  end)
end)
