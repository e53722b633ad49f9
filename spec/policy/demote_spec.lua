-- demote of tier: what an upper memory evicts is written to the store below.
local Check = require "weir.language.check"
local fake = require "fake"
local script = require "fake.store"
local Value = require "weir.core.value"
local weir = require "weir"
local C = require("weir.ffi").C

local host, low

-- A memory that keeps n values.
local function ram(n)
  return weir.memory { capacity_items = n, eviction = "fifo", shards = 1 }
end

local function setup_stores()
  host = fake.host()
  low = script.store(host, "low")
end

-- Sets some values and lets the store below lose them.
local function set_and_lose(tree, keys)
  for _, key in ipairs(keys) do
    assert(tree:set(key, "value of " .. key))
    low.data[key] = nil
  end
end

describe("tier, demote,", function()
  before_each(setup_stores)
  after_each(fake.leave)

  it("writes evicted values to the store below, where that lacks them", function()
    local tree = weir.tier { ram(2), low, demote = weir.always }
    host:main(function()
      assert(tree:set("kept", "below"))
      set_and_lose(tree, { "a", "b" })
      low.log = {}
      assert(tree:set("c", "3"))
      assert(tree:set("d", "4"))
    end)
    assert.same({ "value of a", "value of b" }, { low.data.a, low.data.b })
    assert.equal("below", low.data.kept)
    assert.equal(2, tree:tally().demotions.stored)
    assert.equal(1, tree:tally().demotions.present)
    assert.equal(3, tree:tally().demote_yes)
  end)

  -- What the store has evicted is read into memory that all stores share.
  it("takes a predicate that makes another store demote", function()
    local function ask_nothing() return true end
    local inner = ask_nothing
    local other = weir.tier { ram(2), weir.memory {}, demote = weir.always }
    local asked = {}
    local tree = weir.tier { ram(2), low, demote = function(key)
      asked[#asked + 1] = key
      inner()
      return false
    end }
    host:main(function()
      assert(other:set_many({ "o1", "o2" }, { "1", "2" }):all "good")
      assert(tree:set_many({ "a", "b" }, { "1", "2" }):all "good")
      function inner()
        inner = ask_nothing
        assert(other:set_many({ "o3", "o4" }, { "3", "4" }):all "good")
      end
      assert(tree:set_many({ "c", "d" }, { "3", "4" }):all "good")
    end)
    assert.same({ "a", "b" }, asked)
  end)

  it("keeps nothing of a set whose predicate raised an error", function()
    local raises, asked = true, {}
    local tree = weir.tier { ram(100), low, demote = function(key)
      asked[#asked + 1] = key
      return not raises or error "a mistake"
    end }
    local keys, values, others = {}, {}, {}
    for i = 1, 100 do
      keys[i], others[i] = "k" .. i, "other" .. i
      values[i] = Value.new(("v"):rep(1000))
    end
    host:main(function()
      assert(tree:set_many(keys, values):all "good")
      assert.error_matches(function() tree:set_many(others, values) end, "a mistake")
      raises = false
      assert(tree:set("last", "v"))
    end)
    assert.same({ "k1", "other1" }, asked)
    tree:delete_many(others)
    low.data, low.log = {}, {}
    collectgarbage()
    collectgarbage()
    -- The first one may still lie on the stack on which the error was raised.
    for i = 2, 100 do assert.equal(1, C.weir_value_sole(values[i].ref)) end
  end)

  it("does so in batches", function()
    local tree, keys, values = weir.tier { ram(100), low, demote = weir.always }, {}, {}
    for i = 1, 100 do keys[i], values[i] = "k" .. i, "v" end
    host:main(function()
      tree:set_many(keys, values)
      low.data, low.log = {}, {}
      for i = 1, 100 do keys[i] = "other" .. i end
      tree:set_many(keys, values)
    end)
    assert.equal(2, low:count "exists")
    assert.equal(3, low:count "set")
    assert.equal(100, tree:tally().demotions.stored)
  end)

  it("keeps the time that a value has left", function()
    local tree = weir.tier { ram(1), low, demote = weir.always, stale_if_error = 500 }
    host:main(function()
      assert(tree:set("a", "1", { ttl = 600 }))
      low.data.a = nil
      assert(tree:set("b", "2"))
    end)
    assert.equal("1", low.data.a)
    assert.is_true(low.expires.a > host.now() + 590
      and low.expires.a < host.now() + 601, low.expires.a - host.now())
  end)

  it("asks a predicate", function()
    local seen
    local tree = weir.tier { ram(1), low, demote = function(key, info)
      seen = { key, info.size, info.level, info.hits }
      return false
    end }
    host:main(function()
      set_and_lose(tree, { "a", "b" })
    end)
    assert.same({ "a", 10, 1, 1 }, seen)
    assert.is_nil(low.data.a)
    assert.equal(1, tree:tally().demote_no)
  end)

  it("writes no more bytes a second than rate says", function()
    local tree = weir.tier { ram(100), low, demote = { weir.always, rate = "1KB/s" } }
    local keys, values = {}, {}
    for i = 1, 100 do keys[i], values[i] = "k" .. i, ("v"):rep(100) end
    host:main(function()
      tree:set_many(keys, values)
      low.data = {}
      for i = 1, 100 do keys[i] = "other" .. i end
      local begun = host.now()
      tree:set_many(keys, values)
      assert.equal(begun, host.now())
      local counts = tree:tally().demotions
      -- Other keys of the set may share the counter of a key.
      repeat host.sleep(0.1) until counts.stored + counts.superseded == 100
      assert.is_true(counts.stored > 90)
      local seconds = host.now() - begun
      assert.is_true(seconds > 6 and seconds < 7, seconds)
    end)
  end)

  it("drops the oldest when too many wait, and counts them", function()
    local tree = weir.tier { ram(10), low, demote = weir.always, promote_queue = 4 }
    host:main(function()
      host:hold "low.exists"
      for i = 1, 30 do set_and_lose(tree, { "k" .. i }) end
      host:release "low.exists"
    end)
    local counts = tree:tally().demotions
    assert.equal(20, counts.dropped + counts.stored)
    assert.is_true(counts.dropped >= 15, counts.dropped)
  end)

  it("does not write down an old copy", function()
    local top = ram(2)
    local denied = weir.policy { children = { top }, immediate = true,
      run = function(_, req)
        if req.op == "delete" or req.op == "set" and req.keys[1] == "a"
          and tostring(req.values[1]) == "new" then
          return weir.fail("unavailable"):run(req)
        end
        return top:run(req)
      end }
    assert.error_matches(function()
      weir.tier { denied, low, demote = weir.always }
    end, "demote needs an upper store that tells what it evicts")
    local tree = weir.tier { top, low, demote = weir.always }
    host:main(function()
      assert(tree:set("a", "old"))
      tree.suspects[1]:add "a"
      low.data.a = nil
      tree.suspects[1].next_attempt = math.huge
      assert(tree:set("b", "1"))
      assert(tree:set("c", "2"))
    end)
    assert.is_nil(low.data.a)
  end)

  it("does not write down what was written while it waited", function()
    for _, write in ipairs {
      function(tree) tree:delete "k" end,
      function(tree) assert(tree:set("k", "new")) end,
    } do
      setup_stores()
      local tree = weir.tier { ram(1), low, demote = weir.always }
      host:main(function()
        set_and_lose(tree, { "busy" })
        host:hold "low.exists"
        set_and_lose(tree, { "k", "other" })
        assert.equal(1, tree.demotion.tail - tree.demotion.head + 1)
        write(tree)
        low.data.k = nil
        host:release "low.exists"
      end)
      assert.equal("value of busy", low.data.busy)
      assert.is_nil(low.data.k)
      assert.equal(1, tree:tally().demotions.superseded)
    end
  end)

  it("is refused without a store that tells, or with a wrong rate", function()
    for _, case in ipairs {
      { { low, low, demote = weir.always }, "needs an upper store" },
      { { ram(1):prefix "a", low, demote = weir.always }, "without a prefix" },
      { { ram(1):delay(1), low, demote = weir.always }, "needs an upper store" },
      { { ram(1), low, demote = { weir.always, rate = "fast" } }, "bytes a second" },
      { { ram(1), low, demote = { weir.always, rat = 1 } }, 'no option "rat"' },
      { { ram(1), low, demote = 7 }, "did you mean hits(7)" },
    } do
      assert.error_matches(function() weir.tier(case[1]) end, case[2], 1, true)
    end
  end)

  it("works below words that never wait, and is explained", function()
    local tree = weir.tier { ram(1):ttl(60):meter "m", low, demote = weir.always }
    host:main(function()
      set_and_lose(tree, { "a", "b" })
    end)
    assert.equal("value of a", low.data.a)
    assert.matches("writes down what is evicted", tostring(tree:explain("set", "a")))
    assert.same({}, Check.run(tree))
  end)

  it("is flagged by weir check when two tiers share the memory", function()
    local top = ram(1)
    local found = Check.run(weir.route {
      a = weir.tier { top, low, demote = weir.always },
      default = weir.tier { top, script.store(host, "far"), demote = weir.always },
    })
    assert.equal("demote", found[1].rule)
    assert.matches("evicts values of ", found[1].message, 1, true)
  end)

  it("goes on after a reload, with a file that no more demotes, too", function()
    local top = ram(1)
    local text = "return tier { top(), low(), demote = always }"
    local path = os.tmpname()
    local function write(words)
      local file = assert(io.open(path, "w"))
      file:write(words)
      file:close()
    end
    write(text)
    local handle = weir.load(path, { stores = {
      top = function() return top end, low = function() return low end,
    } })
    host:main(function()
      set_and_lose(handle, { "a" })
      write(text .. " -- again")
      assert(handle:reload())
      set_and_lose(handle, { "b" })
    end)
    assert.equal("value of a", low.data.a)
    write "return tier { top(), low() }"
    assert(handle:reload())
    host:main(function() set_and_lose(handle, { "c" }) end)
    assert.is_nil(low.data.b)
    os.remove(path)
  end)
end)

describe("tier, demote, in every order of events,", function()
  after_each(fake.leave)

  -- A value is evicted, and demoted, while its key is written.
  local function race(write)
    return fake.orders(function(world)
      local store = script.store(world, "low")
      local tree = weir.tier { ram(1), store, demote = weir.always }
      world:main(function()
        assert(tree:set("k", "old"))
        store.data.k = nil
        world.spawn(function() tree:set("other", "x") end)
        world:await "the writer"
        write(tree, world)
      end)
      assert(next(tree.generations.locked) == nil, "a lock was left over")
      world:main(function()
        local value = tree:get "k"
        assert(store.data.k ~= "old" or not value, "an old value came back")
        assert((value and tostring(value)) ~= "old", "an old value was read")
      end)
    end)
  end

  it("a set wins", function()
    assert.is_true(race(function(tree) assert(tree:set("k", "new")) end) > 50)
  end)

  it("a delete wins", function()
    assert.is_true(race(function(tree) tree:delete "k" end) > 50)
  end)

  it("a writer that is killed harms nothing", function()
    race(function(tree, world)
      tree:delete "k"
      local writer = world.spawn(function() tree:set("other", "y") end)
      world:await "the killer"
      world.kill(writer)
    end)
  end)
end)
