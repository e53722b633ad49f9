-- The memory connector. What threads, sanitizers and models have to say about it
-- is in spec/memory/*.c.
local contract = require "contract"
local weir = require "weir"


local function fill(store, n, value)
  for i = 1, n do store:set("fill:" .. i, value) end
end


local function gauges(store)
  return store:stats().gauges
end


describe("memory", function()
  for _, eviction in ipairs { "s3fifo", "lru", "sieve", "fifo" } do
    describe(eviction, function()
      contract {
        atomic = "all",
        open = function(options)
          options.eviction = eviction
          options.shards = 4
          return weir.memory(options)
        end,
      }

      it("stays within its capacity and keeps what is asked for", function()
        local store = weir.memory { capacity = "1MiB", eviction = eviction }
        for i = 1, 5000 do
          store:set("fill:" .. i, ("x"):rep(1000))
          if i == 1 then assert(store:set("hot", "y")) end
          if eviction ~= "fifo" then
            assert(store:get "hot", "lost after " .. i)
          end
        end
        assert.is_true(gauges(store).bytes <= 1024 * 1024)
        assert.is_true(gauges(store).bytes > 900 * 1024)
        assert.equal(5001, gauges(store).items + gauges(store).evictions)
        store:close()
      end)
    end)
  end

  describe("on a worker", function()
    contract {
      atomic = "all",
      open = function(options)
        options.inline = false
        return weir.memory(options)
      end,
    }
  end)

  it("takes small values in each shard at the least capacity", function()
    for _, shards in ipairs { 1, 16, 256 } do
      local least = math.max(64, 4 * shards)
      for _, eviction in ipairs { "s3fifo", "lru", "sieve" } do
        local store = weir.memory { capacity = least .. "KiB", shards = shards,
          eviction = eviction }
        for i = 1, 5000 do
          assert.is_true(store:set("key:" .. i, ("x"):rep(512)))
          assert.is_true(store:exists("key:" .. i))
        end
        assert.equal(0, gauges(store).rejected)
        assert.is_true(gauges(store).bytes <= least * 1024)
        store:close()
      end
    end
  end)

  it("rejects what no shard has room for, and drops the older copy", function()
    local store = weir.memory { capacity = "64KiB" }
    assert(store:set("v", "small"))
    local stored, err = store:set("v", ("x"):rep(65536))
    assert.is_false(stored)
    assert.equal("rejected", err.code)
    assert.is_nil(store:get "v")
    assert.equal(1, gauges(store).rejected)
    assert.equal(0, gauges(store).items)
    store:close()
  end)

  it("evicts everything else for a value that just fits", function()
    local store = weir.memory { capacity = "1MiB" }
    fill(store, 5000, "x")
    assert.is_true(store:set("big", ("x"):rep(1024 * 1024 - 8192)))
    assert.equal(1024 * 1024 - 8192, #store:get "big")
    assert.is_true(gauges(store).bytes <= 1024 * 1024)
    store:close()
  end)

  it("holds no more entries than capacity_items, over all shards", function()
    for _, shards in ipairs { 1, 4 } do
      local store = weir.memory { capacity_items = 1002, shards = shards }
      fill(store, 5000, "x")
      assert.equal(1002, gauges(store).items)
      assert.equal(5000 - 1002, gauges(store).evictions)
      store:set("fill:5000", "replaced")
      assert.equal(1002, gauges(store).items)
      store:close()
    end
  end)

  it("keeps to capacity before capacity_items", function()
    local store = weir.memory { capacity = "64KiB", capacity_items = 1000 }
    fill(store, 1000, ("x"):rep(1000))
    assert.is_true(gauges(store).items < 64)
    assert.is_true(gauges(store).bytes <= 65536)
    store:close()
  end)

  it("gives an entry that had none a time to live", function()
    local store = weir.memory()
    for _, size in ipairs { 0, 100, 1000 } do
      assert(store:set("k", ("x"):rep(size)))
      assert.is_true(store:touch("k", 100))
      assert.is_true(store:stat("k").ttl > 90)
      assert.equal(("x"):rep(size), tostring(store:get "k"))
      assert.equal(1, gauges(store).items)
    end
    assert.is_true(store:touch("k", 0.001))
    weir.sleep(0.01)
    assert.is_nil(store:get "k")
    store:close()
  end)

  describe("without bodies", function()
    -- What a store holds after the same sets and gets, of sizes up to 8 KiB.
    local function replay(options)
      local store = weir.memory(options)
      local hits, state = 0, 1
      for _ = 1, 20000 do
        state = state * 16807 % 2147483647
        local key = "key:" .. math.floor(state % 9973 ^ 0.9)
        if store:get(key) then
          hits = hits + 1
        else
          store:set(key, ("x"):rep(state % 97 < 90 and state % 300 or state % 8192))
        end
      end
      local g = gauges(store)
      store:close()
      return { hits = hits, items = g.items, bytes = g.bytes, evictions = g.evictions }
    end

    -- The address sanitizer's malloc has no rounding that could be counted. Each
    -- store hashes with a seed of its own, so s3fifo's ghosts differ a little.
    for _, eviction in ipairs { "s3fifo", "lru", "sieve", "fifo" } do
      it("evicts as with them: " .. eviction .. " #unsanitized", function()
        local options = { capacity = "512KiB", eviction = eviction, shards = 1 }
        local with = replay(options)
        options.bodies = false
        local without = replay(options)
        local most = eviction == "s3fifo" and 0.06 or 0.01
        assert.is_true(with.evictions > 1000 and with.hits > 1000)
        for name, figure in pairs(with) do
          assert.is_true(math.abs(without[name] / figure - 1) < most,
            ("%s: %d with, %d without"):format(name, figure, without[name]))
        end
      end)
    end

    it("answers a value of the size that was set, all zeros", function()
      local store = weir.memory { bodies = false }
      for _, size in ipairs { 0, 1, 256, 257, 4096, 3000000 } do
        assert(store:set("k", ("x"):rep(size)))
        assert.equal(("\0"):rep(size), tostring(store:get "k"))
        assert.equal(size, store:stat("k").size)
      end
      store:close()
    end)

    it("needs no memory for values", function()
      local source = weir.null { hit = true, size = 64 * 1024 * 1024 }
      local store = weir.memory { bodies = false, capacity = "1TiB" }
      local value = source:get "any"
      for i = 1, 2000 do assert(store:set("big:" .. i, value)) end
      assert.equal(2000, gauges(store).items)
      assert.is_true(gauges(store).bytes > 2000 * 64 * 1024 * 1024)
      for i = 1, 2000 do assert.equal(64 * 1024 * 1024, store:get("big:" .. i).size) end
      local status = io.open "/proc/self/status"
      local resident = tonumber(status:read "*a":match "VmRSS:%s*(%d+) kB")
      status:close()
      assert.is_true(resident < 1024 * 1024, resident .. " kB resident")
      store:close()
      source:close()
    end)
  end)

  it("serves a large value without copying it", function()
    local store = weir.memory()
    assert(store:set("v", ("x"):rep(1024 * 1024)))
    assert.is_true(store:get("v").data == store:get("v").data)
    store:close()
  end)

  it("keeps a large value that is set, not a copy", function()
    local store = weir.memory()
    local value = weir.value(("x"):rep(1024 * 1024))
    assert(store:set("v", value))
    assert.is_true(store:get("v").data == value.data)
    store:close()
  end)

  it("gives what is set without a time to live the default one", function()
    local store = weir.memory { ttl = "100s" }
    assert(store:set("default", "x"))
    assert(store:set("own", "x", { ttl = 5 }))
    assert.is_true(store:stat("default").ttl > 90)
    assert.is_true(store:stat("own").ttl <= 5)
    store:close()
  end)

  it("reclaims what expired though nobody asks for it", function()
    local store = weir.memory()
    for i = 1, 500 do assert(store:set("t:" .. i, "x", { ttl = 0.001 })) end
    weir.sleep(0.01)
    fill(store, 1000, "x")
    assert.equal(500, gauges(store).expired)
    store:close()
  end)

  for what, case in pairs {
    ["an unknown option"] = { { capactiy = "1MiB" }, "did you mean capacity%?" },
    ["an unknown policy"] = { { eviction = "lfu" }, "expected s3fifo|lru|sieve|fifo" },
    ["a wrong unit"] = { { capacity = "1MX" }, "expected a size" },
    ["a capacity that is too small"] = { { capacity = "1KiB" }, "at least 64KiB" },
    ["shards that are no power of two"] = { { shards = 3 }, "power of two" },
    ["less than a shard needs"] = { { capacity = "64KiB", shards = 256 },
      "65536 bytes are too few for 256 shards, .* expected 1024KiB at least" },
    ["a byte less than works"] = { { capacity = "1048575", shards = 256 },
      "expected 1024KiB at least" },
    ["fewer entries than shards"] = { { capacity_items = 3, shards = 4 },
      "3 entries are too few for 4 shards; expected 4 at least" },
    ["too many shards"] = { { shards = 1000 }, "0 to 256" },
  } do
    it("says what is wrong with " .. what, function()
      local opened, message = pcall(weir.memory, case[1])
      assert.is_false(opened)
      assert.matches(case[2], message)
    end)
  end
end)
