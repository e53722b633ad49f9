-- Copies that a tier of memories makes in place, of several values with one set.

local weir = require "weir"


local function memory(options) return weir.memory(options or { capacity = "16MiB" }) end


-- Keys k1 to kn, and a value for each.
local function batch(n)
  local keys, values = {}, {}
  for i = 1, n do keys[i], values[i] = "k" .. i, "v" .. i end
  return keys, values
end


-- Which of the keys a store has, by key.
local function held(store, keys)
  local list, reply = {}, store:get_many(keys)
  for i, key in ipairs(keys) do list[key] = reply:string(i) end
  return list
end


describe("a tier that copies a batch in place", function()
  local top, far
  before_each(function() top, far = memory(), memory() end)

  it("copies every value, with the time that it has left", function()
    local keys, values = batch(150)
    assert.is_true(far:set_many(keys, values):all "good")
    for i = 1, 150, 7 do assert(far:set(keys[i], values[i], { ttl = 100 + i })) end
    local tree = weir.tier { top, far }
    assert.is_true(tree:get_many(keys):all "good")
    assert.same(held(far, keys), held(top, keys))
    for i = 1, 150 do
      local ttl = top:stat(keys[i]).ttl
      if i % 7 == 1 then
        assert.is_true(ttl > 90 + i and ttl <= 100 + i, ttl)
      else
        assert.is_nil(ttl)
      end
    end
    assert.equal(150, tree:tally().promotions.stored)
  end)

  it("copies from each level to all above it", function()
    local middle, keys, values = memory(), batch(200)
    for i = 1, 200 do
      local store = ({ top, middle, far })[i % 3 + 1]
      assert(store:set(keys[i], values[i]))
    end
    local tree = weir.tier { top, middle, far }
    local reply = tree:get_many(keys)
    assert.is_true(reply:all "good")
    for i = 1, 200 do assert.equal(i % 3 + 1, reply:level(i)) end
    local all = held(tree, keys)
    assert.same(all, held(top, keys))
    for i = 1, 200 do
      assert.equal(i % 3 > 0 and values[i] or nil, held(middle, keys)[keys[i]])
    end
    assert.equal(67 + 67 * 2, tree:tally().promotions.stored)
  end)

  it("copies only what the predicate agrees to", function()
    local keys, values = batch(100)
    assert.is_true(far:set_many(keys, values):all "good")
    local tree = weir.tier { top, far, promote = function(key)
      return tonumber(key:sub(2)) % 3 == 0
    end }
    assert.is_true(tree:get_many(keys):all "good")
    for i = 1, 100 do assert.equal(i % 3 == 0, top:exists(keys[i])) end
    assert.same({ 33, 67 }, { tree:tally().promote_yes, tree:tally().promote_no })
  end)

  it("copies no value that was written or lost meanwhile", function()
    local keys, values = batch(9)
    assert.is_true(far:set_many(keys, values):all "good")
    local tree
    tree = weir.tier { top, far, promote = function(key)
      if key == "k2" then assert(tree:set("k2", "new")) end
      if key == "k3" then assert(far:delete "k3") end
      if key == "k5" then assert(tree:delete "k5") end
      return true
    end }
    assert.is_true(tree:get_many(keys):all "good")
    assert.same({ k1 = "v1", k2 = "new", k4 = "v4", k6 = "v6", k7 = "v7", k8 = "v8",
      k9 = "v9" }, held(top, keys))
    local counts = tree:tally().promotions
    assert.same({ 6, 2, 1 }, { counts.stored, counts.superseded, counts.expired })
  end)

  it("copies no value that is larger than promote_bytes", function()
    local keys = batch(3)
    assert(far:set_many(keys, { "small", ("x"):rep(2000), "" }):all "good")
    local tree = weir.tier { top, far, promote_bytes = 1000 }
    assert.is_true(tree:get_many(keys):all "good")
    assert.same({ k1 = "small", k3 = "" }, held(top, keys))
    assert.same({ 2, 1 }, { tree:tally().promotions.stored,
      tree:tally().promotions.dropped })
  end)

  it("counts what the upper store does not take", function()
    local small, keys = memory { capacity = "64KiB" }, batch(2)
    assert(far:set_many(keys, { "small", ("x"):rep(1000000) }):all "good")
    local tree = weir.tier { small, far }
    assert.is_true(tree:get_many(keys):all "good")
    assert.same({ 1, 1 }, { tree:tally().promotions.stored,
      tree:tally().promotions.rejected })
    assert.same({ k1 = "small" }, held(small, keys))
  end)

  it("counts copies that fail, and answers all the same", function()
    local keys, values = batch(70)
    assert.is_true(far:set_many(keys, values):all "good")
    local tree = weir.tier { top:readonly(), far }
    assert.is_true(tree:get_many(keys):all "good")
    assert.same({}, held(top, keys))
    assert.same({ 0, 70 }, { tree:tally().promotions.stored,
      tree:tally().promotions.failed })
  end)

  it("copies values that were read to buffers", function()
    local ffi, keys, values = require "ffi", batch(3)
    assert.is_true(far:set_many(keys, values):all "good")
    local buffers = {}
    for i = 1, 3 do buffers[i] = ffi.new "char[16]" end
    local tree = weir.tier { top, far }
    assert.is_true(tree:get_into_many(keys, buffers):all "good")
    for i = 1, 3 do ffi.fill(buffers[i], 16, 0x78) end
    assert.same({ k1 = "v1", k2 = "v2", k3 = "v3" }, held(top, keys))
  end)

  it("leaves little to the collector", function()
    local keys, values = batch(64)
    assert.is_true(far:set_many(keys, values):all "good")
    local tree = weir.tier { top, far }
    local function bytes(n)
      collectgarbage()
      collectgarbage "stop"
      local before = collectgarbage "count"
      for _ = 1, n do
        top:delete_many(keys)
        tree:get_many(keys)
      end
      local after = collectgarbage "count"
      collectgarbage "restart"
      return (after - before) * 1024 / n / 64
    end
    bytes(1000)
    -- 170; 670 with an entry and a lock for each value.
    assert.is_true(bytes(1000) < 350)
  end)
end)
