-- percent, warmup, migrate, shadow: words that move traffic from one store to another.
-- The laws and the register hold for them, too (laws_spec, traps_spec).
local ffi = require "ffi"
local fake = require "fake"
local script = require "fake.store"
local weir = require "weir"

local host, old, new
local function setup_stores()
  host = fake.host()
  old = script.store(host, "old", { data = { a = "1", b = "2" } })
  new = script.store(host, "new")
end


local function keys(n)
  local list = {}
  for i = 1, n do list[i] = "key" .. i end
  return list
end


describe("percent", function()
  before_each(setup_stores)
  after_each(fake.leave)

  -- Which of the keys the first store gets.
  local function first_of(share, seed)
    local tree, mine = weir.percent { share, new, old, seed = seed }, {}
    for _, key in ipairs(keys(2000)) do
      mine[key] = tree:explain("get", key)[2].name == "new"
    end
    return mine
  end

  local function count(set)
    local n = 0
    for _, there in pairs(set) do n = n + (there and 1 or 0) end
    return n
  end

  it("gives each store its share, and a key always to the same one", function()
    local five, twenty = first_of(5), first_of(20)
    assert.is_true(math.abs(count(five) - 100) < 40, count(five))
    assert.is_true(math.abs(count(twenty) - 400) < 80, count(twenty))
    for key, there in pairs(five) do assert.is_true(not there or twenty[key]) end
    assert.same({ 0, 2000 }, { count(first_of(0)), count(first_of(100)) })
    assert.is_true(count(first_of(50, 2)) ~= count(first_of(50, 1)))
  end)

  it("splits a batch and lists each key once", function()
    local tree, list = weir.percent { 30, new, 30, script.store(host, "third"), old },
      keys(60)
    host:main(function()
      assert.is_true(tree:set_many(list, list):all "good")
      new.data.key99, old.data.key99 = "x", "x"
      local reply, seen = tree:get_many(list), {}
      for i = 1, 60 do assert.equal(list[i], reply:string(i)) end
      for key in tree:scan {} do
        assert.is_nil(seen[key])
        seen[key] = true
      end
      for _, key in ipairs(list) do assert.is_true(seen[key]) end
    end)
  end)

  it("says what is wrong with its shares", function()
    for text, args in pairs {
      ["shares are more than 100: 110"] = { 60, new, 50, new, old },
      ["item 1 is a share from 0 to 100, not \"x\""] = { "x", new, old },
      ["takes { share, store"] = { 5, new },
      ["item 3 is a store, not 7"] = { 5, new, 7 },
    } do
      local ok, err = pcall(weir.percent, args)
      assert.is_false(ok)
      assert.is_truthy(tostring(err):find(text, 1, true), tostring(err))
    end
  end)
end)


describe("warmup", function()
  before_each(setup_stores)
  after_each(fake.leave)

  it("reads what is missing from the warm store and copies it", function()
    local tree = weir.warmup { new, old }
    host:main(function()
      local reply = tree:get_many { "a", "c" }
      assert.same({ "1", "ok", "miss" }, { reply:string(1), reply[1], reply[2] })
    end)
    assert.same({ a = "1" }, new.data)
    host:main(function() assert.equal("1", tostring(tree:get "a")) end)
    local counts = tree:tally()
    assert.same({ 1, 1, 1 }, { counts.cold, counts.warm, counts.fills.stored })
  end)

  it("limits the time to live of copies", function()
    local near = weir.memory { inline = true }
    local tree = weir.warmup { near, old, ttl = 60 }
    host:main(function() tree:get "a" end)
    host:main(function()
      local ttl = near:stat("a").ttl
      assert.is_true(ttl > 0 and ttl <= 60, ttl)
    end)
    near:close()
  end)

  it("touches no old copy in place of a value that is gone", function()
    local tree = weir.warmup { new, old }
    host:main(function()
      old.faults.a = { "busy" }
      assert(tree:set("a", "new", { ttl = 5 }))
      host.sleep(6)
      assert.is_false(tree:touch("a", 100))
      assert.is_nil(old.expires.a)
      host.sleep(1)
      assert.is_true(not tree:exists "a") -- this has the old copy deleted
      assert(tree:set("a", "newer"))
      assert(tree:touch("a", 100))
    end)
  end)

  it("never brings an old value back", function()
    local tree = weir.warmup { new, old }
    host:main(function()
      assert(tree:set("a", "new"))
      new.data.a = nil -- evicted
      assert.is_nil(tree:get "a")
      assert.is_true(tree:delete "b")
      assert.is_nil(tree:get "b")
    end)
    assert.same({}, old.data)
  end)

  it("keeps the old value when the new one was surely not stored", function()
    local tree = weir.warmup { new, old }
    new.down = "busy"
    host:main(function()
      assert.equal("busy", select(2, tree:set("a", "new")).code)
      assert.equal("1", tostring(tree:get "a"))
    end)
  end)

  it("makes no copy of a value that is written meanwhile, in any order", function()
    fake.orders(function(h)
      local cold = script.store(h, "cold", { takes = 1 })
      local warm = script.store(h, "warm", { data = { a = "old" }, takes = 1 })
      local tree = weir.warmup { cold, warm }
      h:main(function()
        h.spawn(function() tree:get "a" end)
        h.spawn(function() assert(tree:set("a", "new")) end)
      end)
      assert.equal("new", cold.data.a)
      assert.is_nil(warm.data.a)
    end)
  end)
end)


describe("migrate", function()
  before_each(setup_stores)
  after_each(fake.leave)

  local function at(seconds)
    return weir.migrate { from = old, to = new, at = os.time() + seconds, over = 10 }
  end

  it("changes over at its moment and deletes on both sides around it", function()
    local tree = at(20)
    host:main(function()
      tree:set("k", "1")
      host.sleep(11) -- ten seconds before
      new.data.k, new.data.a = "stale", "stale"
      tree:set("k", "2")
      tree:delete "a"
      assert.same({ "2", nil }, { old.data.k, new.data.k })
      assert.same({}, { old.data.a, new.data.a })
      host.sleep(11) -- after it
      assert.is_nil(tree:get "k")
      tree:set("k", "3")
      assert.same({ nil, "3" }, { old.data.k, new.data.k })
      host.sleep(11) -- over
      old.data.k = "left alone"
      tree:set("k", "4")
      assert.same({ "left alone", "4" }, { old.data.k, new.data.k })
    end)
  end)

  it("passes by what it could not delete before the change", function()
    local tree = at(5)
    new.data.a = "stale"
    host:main(function()
      new.down = "unavailable"
      assert(tree:set("a", "2"))
      new.down = nil
      host.sleep(5.5)
      local value = tree:get "a"
      assert.is_true(value == nil or tostring(value) ~= "stale")
    end)
  end)

  -- A key of which the new store may hold an old copy when the moment comes.
  local function with_old_copy(fn)
    local tree = at(5)
    new.data.a = "stale"
    host:main(function()
      new.down = "unavailable"
      assert(tree:set("a", "2"))
      host.sleep(5.5) -- after the moment
      fn(tree)
      new.down = nil
    end)
    return tree
  end

  it("keeps what is set after the change where an old copy was to be deleted",
    function()
      local tree = with_old_copy(function(tree)
        new.down = nil
        assert(tree:set("a", "3"))
        assert.equal("3", tree:get_string "a")
        host.sleep(5)
        assert.equal("3", tree:get_string "a")
      end)
      assert.same({ "3", 0 }, { new.data.a, tree:tally().old_copies })
    end)

  it("changes no old copy in place of a value", function()
    with_old_copy(function(tree)
      new.down = nil
      assert.is_nil(tree:touch("a", 100))
      host.sleep(5)
      assert.is_true(not tree:exists "a") -- this has the old copy deleted
      host.sleep(1)
      assert.is_false(tree:touch("a", 100))
      assert.is_false(tree:exists "a")
    end)
  end)

  it("keeps what it sets where the new store reads the old one", function()
    local to = weir.warmup { new, old }:timeout(5)
    local tree = weir.migrate { from = old, to = to, at = os.time() + 10, over = 10 }
    host:main(function()
      new.data.k = "stale" -- of a machine whose clock is ahead
      assert(tree:set("k", "1"))
      assert.equal("1", tostring(tree:get "k"))
      assert.same({ "1", nil }, { old.data.k, new.data.k })
      assert(tree:touch("k", 100))
      assert(tree:delete "b")
      assert.same({}, { old.data.b, new.data.b })
      host.sleep(11) -- after the moment
      assert(tree:touch("k", 100))
      assert.equal("1", tostring(tree:get "k"))
      host.sleep(0.5)
      assert.equal("1", new.data.k)
      assert(tree:set("k", "2"))
      assert.equal("2", tostring(tree:get "k"))
      assert.same({ nil, "2" }, { old.data.k, new.data.k })
      assert(tree:delete "a")
      assert.is_nil(tree:get "a")
    end)
  end)

  it("does so over stores that it does not see into", function()
    local function chosen() return old end
    for _, from in ipairs { weir.route(chosen), weir.quota { by = ".", default = 1e6 },
      weir.policy { run = function(_, req) return old:run(req) end } } do
      local to = weir.warmup { new, from }
      local tree = weir.migrate { from = from, to = to, at = os.time() + 5, over = 5 }
      host:main(function()
        assert(tree:set("k", "1"))
        assert.equal("1", tree:get_string "k")
        assert(tree:delete "k")
      end)
      assert.has_error(function()
        weir.migrate { from = from, to = from:timeout(1), at = 0 }
      end)
    end
  end)

  it("takes the old store in no other tree", function()
    for _, to in ipairs { weir.tier { new, old }, weir.warmup { old, new },
      old:timeout(1), weir.warmup { new, old }:prefix "p/" } do
      local ok, err = pcall(weir.migrate, { from = old, to = to, at = 0 })
      assert.is_false(ok)
      assert.matches("only warmup { new, old } may have it", tostring(err))
    end
    weir.migrate { from = old, to = weir.tier { new, old:readonly() }, at = 0 }
  end)

  it("reads times of day in UTC", function()
    for text, seconds in pairs { ["1970-01-01T00:00:00Z"] = 0,
      ["2024-02-29T23:59:59Z"] = 1709251199, ["2026-12-01T03:00:00Z"] = 1796094000 } do
      local tree = weir.migrate { from = old, to = new, at = text }
      local expected = seconds - os.time() + host.now()
      assert.is_true(math.abs(tree.at - expected) < 3, text)
    end
    for _, text in ipairs { "tomorrow", "2026-13-01T03:00:00Z", "2026-12-01" } do
      local ok, err = pcall(weir.migrate, { from = old, to = new, at = text })
      assert.is_false(ok)
      assert.matches("at is a moment such as", tostring(err))
    end
  end)
end)


describe("shadow", function()
  before_each(setup_stores)
  after_each(fake.leave)

  it("shows gets and sets to the other store after the reply", function()
    local tree = old:shadow { new, compare = true }
    host:main(function()
      assert(tree:set("k", "v"))
      assert.is_nil(new.data.k)
      host.sleep(0.1)
      assert.equal("v", new.data.k)
      new.data.a, new.data.x = "different", "extra"
      tree:get_many { "k", "a", "b", "x", "nowhere" }
    end)
    assert.same({ same = 2, different = 1, missing = 1, extra = 1, errors = 0 },
      tree:tally().results)
    assert.equal(6, tree:tally().shown)
  end)

  it("is never waited for, and never answers", function()
    new.takes = 3600
    local tree = old:shadow { new, timeout = 5, inflight = 2 }
    host:main(function()
      local begun = host.now()
      for _ = 1, 5 do assert.equal("1", tostring(tree:get "a")) end
      assert.equal(begun, host.now())
      assert.same({ 6, 2 }, { tree:tally().dropped * 2, tree:tally().waiting })
    end)
    assert.same({ 0, 0 }, { tree:tally().waiting, tree.held })
    new.takes, new.down = nil, "unavailable"
    host:main(function() assert.equal("1", tostring(tree:get "a")) end)
  end)

  it("survives a value that its caller closes and a buffer that is used again",
    function()
      local tree = old:shadow { new, compare = true }
      local buffer = ffi.new "char[4]"
      host:main(function()
        local value = weir.value "bytes"
        assert(tree:set("v", value))
        value:close()
        new.data.a = "1"
        assert.equal(1, tree:get_into("a", buffer))
        ffi.fill(buffer, 4, 120)
        host.sleep(0.1)
        assert.equal("bytes", new.data.v)
        assert.equal("xxxx", ffi.string(buffer, 4))
      end)
      assert.equal(1, tree:tally().results.same)
    end)

  it("shows a share of the keys, always the same ones", function()
    local tree, list = old:shadow { new, share = 0.25 }, keys(400)
    host:main(function() tree:set_many(list, list) end)
    local shown = {}
    for key in pairs(new.data) do shown[#shown + 1] = key end
    assert.is_true(math.abs(#shown - 100) < 40, #shown)
    host:main(function() tree:delete_many(list) end)
    assert.is_nil(next(new.data))
  end)
end)


describe("byop", function()
  before_each(setup_stores)
  after_each(fake.leave)

  it("takes groups of ops", function()
    local tree = weir.byop { reads = old, writes = new, delete = old }
    host:main(function()
      tree:set("x", "1")
      assert.equal("1", tostring(tree:get "a"))
      assert.is_true(tree:exists "a")
      assert.is_true(tree:delete "a")
    end)
    assert.same({ { x = "1" }, { b = "2" } }, { new.data, old.data })
    assert.matches("reads", tree:explain("get", "k")[1].why)
    local found = 0
    host:main(function() for _ in tree:scan {} do found = found + 1 end end)
    assert.equal(1, found)
  end)
end)
