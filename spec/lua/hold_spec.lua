local Hold = require "weir.core.hold"
local Value = require "weir.core.value"
local weir = require "weir"


-- Two collections: the second sweeps what the first found.
local function collect()
  collectgarbage()
  collectgarbage()
  collectgarbage()
end


-- A ledger whose objects hold true each: its functions, and a function that returns how
-- many it has released.
local function ledger()
  local released = 0
  local enter, drop = Hold.ledger(function() return {} end, function(list, index)
    assert.is_true(list[index])
    list[index], released = nil, released + 1
  end)
  local function take(object)
    local list, index, slot = enter(object)
    list[index] = true
    return slot
  end
  return take, drop, function() return released end
end


describe("a ledger", function()
  it("releases what was dropped at once, what was collected then, once each", function()
    local live = {}
    local take, drop, released = ledger()
    local function fill()
      for i = 1, 3000 do
        local object = {}
        local slot = take(object)
        if i % 3 == 0 then live[slot] = object end
        if i % 3 == 1 then drop(slot) end
      end
    end
    fill()
    assert.is_true(released() >= 1000)
    collect()
    assert.equal(2000, released())
    for slot in pairs(live) do live[slot] = nil end
    collect()
    assert.equal(3000, released())
    collect()
    assert.equal(3000, released())
  end)

  -- A finalizer runs where Lua allocates: while a bank is made.
  it("gives each object a slot of its own if others enter in a new bank", function()
    local makes, live, released = 0, {}, 0
    local enter, drop, take
    local function take_some()
      for _ = 1, 600 do
        local object = {}
        local slot = take(object)
        assert.is_nil(live[slot])
        live[slot] = object
      end
    end
    enter, drop = Hold.ledger(function()
      makes = makes + 1
      if makes == 2 then take_some() end
      return {}
    end, function(list, index)
      assert.is_true(list[index])
      list[index], released = nil, released + 1
    end)
    function take(object)
      local list, index, slot = enter(object)
      list[index] = true
      return slot
    end
    take_some()
    for slot in pairs(live) do drop(slot) end
    assert.equal(1200, released)
  end)

  it("releases a bounded number with each slot that is taken", function()
    local n = 50000
    local take, _, released = ledger()
    for _ = 1, n do take {} end
    collectgarbage()
    collectgarbage "stop"
    local most, kept = 0, {}
    for i = 1, n do
      local before = released()
      kept[i] = {}
      take(kept[i])
      most = math.max(most, released() - before)
    end
    collectgarbage "restart"
    assert.equal(n, released())
    assert.is_true(most <= 8 * Hold.SLOTS, most)
  end)

  it("releases all in the end when no slot is taken any more", function()
    local n = 50000
    local take, _, released = ledger()
    for _ = 1, n do take {} end
    for _ = 1, 2 + math.ceil(n / 32 / Hold.SLOTS) do
      local before = released()
      collectgarbage() -- which may end a collection that was under way first
      assert.is_true(released() - before <= 2 * 32 * Hold.SLOTS)
    end
    assert.equal(n, released())
  end)

  it("uses its slots again", function()
    local take = ledger()
    local most = 0
    for _ = 1, 40 do
      for _ = 1, 100 do most = math.max(most, take {}) end
      collect()
    end
    assert.is_true(most < Hold.SLOTS, most)
  end)

  it("gives each living object a slot of its own, in any order of use", function()
    math.randomseed(3)
    local take, drop, released = ledger()
    local slots, taken, dropped = {}, {}, 0
    for i = 1, 20000 do
      local at = math.random(5000)
      if slots[at] then
        taken[slots[at].slot], dropped = nil, dropped + 1
        drop(slots[at].slot)
      end
      local object = {}
      object.slot = take(object)
      assert.is_nil(taken[object.slot])
      slots[at], taken[object.slot] = object, true
      if i % 4000 == 0 then collectgarbage() end
    end
    collect()
    assert.equal(dropped, released())
  end)

  -- KiB that the longest growth of a new ledger takes.
  local function longest_growth(objects)
    local take, most = ledger(), 0
    collectgarbage()
    collectgarbage "stop"
    for i = 1, #objects do
      local before = collectgarbage "count"
      take(objects[i])
      most = math.max(most, collectgarbage "count" - before)
    end
    collectgarbage "restart"
    return most
  end

  it("grows by pieces, without a copy of what it has", function()
    local objects, least = {}, math.huge
    for i = 1, 40000 do objects[i] = {} end
    -- LuaJIT takes memory, too, when it compiles, but not in each round.
    for _ = 1, 4 do least = math.min(least, longest_growth(objects)) end
    assert.is_true(least <= 64, least) -- a table of 32 K slots that grows takes 512
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
