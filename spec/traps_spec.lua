-- The ten traps of systems of this kind, by number. Those that are races (1, 2, 5,
-- 7, 9) try every order of events on small cases; see fake.orders.

local ffi = require "ffi"
local fake = require "fake"
local register = require "traps.register"
local script = require "fake.store"
local weir = require "weir"


local function store(host, name, fields) return script.store(host, name, fields) end


describe("trap", function()
  after_each(fake.leave)

  -- ---- 1: a refill resurrects a deleted or overwritten value ----

  describe("1: a refill never brings back", function()
    local function race(write, depth)
      return fake.orders(function(host)
        local top, middle, far = store(host, "top"), store(host, "middle"),
          store(host, "far", { data = { k = "v1" } })
        local tree = depth == 3 and weir.tier { top, middle, far }
          or weir.tier { top, far }
        host:main(function()
          host.spawn(function() tree:get "k" end)
          write(tree)
        end)
        for _, upper in ipairs { top, middle } do
          local copy = upper.data.k
          assert(copy == nil or copy == far.data.k,
            ("%s has %s, the authority %s"):format(upper.name, tostring(copy),
              tostring(far.data.k)))
        end
      end)
    end

    it("what was deleted", function()
      assert.is_true(race(function(tree) tree:delete "k" end) > 100)
    end)

    it("what was overwritten", function()
      race(function(tree) tree:set("k", "v2") end)
    end)

    it("what was deleted and set again", function()
      race(function(tree)
        tree:delete "k"
        tree:set("k", "v3")
      end)
    end)

    for what, change in pairs {
      ["what was appended to"] = function(tree) assert(tree:append("k", "+")) end,
      ["what another value took the place of"] = function(tree)
        assert(tree:cas("k", "v2", "v1"))
      end,
      ["what was taken"] = function(tree) assert(tree:take "k") end,
      ["what was taken and added again"] = function(tree)
        tree:take "k"
        assert(tree:add("k", "v3"))
      end,
    } do
      it(what, function() assert.is_true(race(change) > 100) end)
    end

    it("a copy from the middle of three tiers", function()
      race(function(tree) tree:delete "k" end, 3)
    end)

    it("what two writers left", function()
      fake.orders(function(host)
        local top, far = store(host, "top"), store(host, "far")
        local tree = weir.tier { top, far }
        host:main(function()
          host.spawn(function() tree:set("k", "v1") end)
          tree:set("k", "v2")
        end)
        assert.equal(far.data.k, top.data.k)
      end)
    end)

    -- The set that runs, and those that wait for it: the last one is made for both.
    for what, faults in pairs { ["set by others at once"] = {},
      ["set by others at once, and the last one fails"] = { "ok", "timeout" } } do
      it("what was " .. what, function()
        local n = fake.orders(function(host)
          local top, far = store(host, "top"), store(host, "far")
          far.faults.k = { unpack(faults) }
          local tree, told = weir.tier { top, far }, {}
          host:main(function()
            for i = 1, 3 do
              host.spawn(function() told[i] = tree:set("k", "v" .. i) or "error" end)
            end
          end)
          assert.equal(3, #told)
          assert.is_nil(next(tree.generations.locked))
          assert(top.data.k == nil and told[3] == "error" or top.data.k == far.data.k,
            tostring(top.data.k) .. " over " .. tostring(far.data.k))
          if #faults == 0 then assert.equal("v3", far.data.k) end
        end)
        assert.is_true(n > 10, n)
      end)
    end

    -- Pauses the promotion of a value with 5 s to live; returns the top afterwards.
    local function expire(await, pause)
      local host = fake.host()
      local top, far = store(host, "top"), store(host, "far")
      local tree = weir.tier { top, far }
      host:main(function()
        far:set("k", "v1", { ttl = 5 })
        host:hold(await)
        assert.equal("v1", tostring(tree:get "k"))
        host.sleep(pause)
        assert.equal(1, host:holding(await))
        host:release(await)
        host.sleep(0.2)
        assert.is_nil(tree:get "k", await)
      end)
      return top
    end

    it("what expired, at whichever await time passed", function()
      for _, await in ipairs { "far.stat", "far.stat.reply", "top.set",
        "top.set.reply" } do
        expire(await, 4.9)
        expire(await, 5.1)
      end
    end)

    it("what had expired before it got there: no copy is even made", function()
      assert.is_nil(expire("top.set", 5.1).expires.k)
    end)
  end)

  -- ---- 2: an old copy survives a rejected or half-failed write ----

  describe("2: no acknowledged write is taken back by", function()
    for name, build in pairs(register.TREES) do
      it(name .. ", at random", function()
        for seed = 1, 150 do register.run(build, seed) end
      end)
    end

    it("an upper tier that fails while two write", function()
      fake.orders(function(host)
        local top = store(host, "top", { data = { k = "v0" } })
        local far = store(host, "far", { data = { k = "v0" } })
        local tree = weir.tier { top, far }
        host:main(function()
          top.down = "timeout"
          host.spawn(function() tree:set("k", "v1") end)
          tree:set("k", "v2")
          top.down = nil
          local seen = tree:get "k"
          assert(not seen or tostring(seen) ~= "v0")
        end)
      end)
    end)

    it("admission that says no", function()
      local host = fake.host()
      local top = store(host, "top")
      local tree = weir.tier { top:admit(weir.maxsize(2)), store(host, "far") }
      host:main(function()
        assert(tree:set("k", "v1"))
        assert.equal("v1", top.data.k)
        assert(tree:set("k", "longer"))
        assert.equal("longer", tostring(tree:get "k"))
      end)
    end)
  end)

  -- ---- 3: data lost at crash, close or kill ----

  it("3: what was acknowledged is in the authority, whoever dies meanwhile", function()
    local orders = fake.orders(function(host)
      local top, far = store(host, "top"), store(host, "far")
      local tree = weir.tier { top, far }
      local acknowledged
      host:main(function()
        local writer = host.spawn(function()
          acknowledged = tree:set("k", "v1")
        end)
        host:await "the killer"
        host.kill(writer)
      end)
      assert(not acknowledged or far.data.k == "v1")
      assert(top.data.k == nil or top.data.k == far.data.k)
      assert.is_nil(next(tree.generations.locked))
    end)
    assert.is_true(orders > 3)
  end)

  -- More than half of this room is used by one value, so it is flushed at once.
  local ROOM, PAD = 600, ("x"):rep(150)

  -- Runs the tasks in every order, over a write-back whose flush runs at the same time.
  -- Afterwards the authority has what reads return, and it is one of `ends`.
  local function flushed(tasks, ends, limit)
    return fake.orders(function(host)
      local top = store(host, "top", { data = { k = "v0" } })
      local far = store(host, "far", { data = { k = "v0" } })
      local tree = weir.tier { top, far,
        write = weir.back { max_dirty = ROOM, after = 1 } }
      host:main(function()
        for i = 2, #tasks do host.spawn(tasks[i], tree, host) end
        tasks[1](tree, host)
      end)
      local read
      host:main(function()
        host.sleep(10)
        read = tree:get_string "k"
      end)
      assert(read == far.data.k, ("read %s, the authority has %s"):format(
        tostring(read), tostring(far.data.k)))
      assert(top.data.k == nil or top.data.k == read, "the top has an older copy")
      assert(ends[read or false], tostring(read) .. " is not the last write")
      assert(tree:tally().dirty_keys == 0)
      assert.is_nil(next(tree.back.locks.locked))
    end, { limit = limit })
  end

  describe("3: write-back, in every order of flush and", function()
    local function set(value)
      return function(tree) assert(tree:set("k", value .. PAD)) end
    end
    local function delete(tree) assert(tree:delete "k" ~= nil) end
    local v1, v2 = "v1" .. PAD, "v2" .. PAD

    it("another write", function()
      local orders = flushed({ function(tree)
        set "v1"(tree)
        set "v2"(tree)
        assert(tree:get_string "k" == v2)
      end }, { [v2] = true })
      assert.is_true(orders > 10, orders)
      flushed({ set "v1", set "v2" }, { [v1] = true, [v2] = true })
    end)

    it("a deletion", function()
      flushed({ function(tree)
        set "v1"(tree)
        delete(tree)
        assert(tree:get_string "k" == nil)
      end }, { [false] = true })
      flushed({ function(tree)
        set "v1"(tree)
        delete(tree)
        set "v2"(tree)
        assert(tree:get_string "k" == v2)
      end }, { [v2] = true })
    end)

    it("reads, which copy nothing old to the top", function()
      flushed({ set "v1", function(tree)
        assert(({ ["v0"] = true, [v1] = true })[tree:get_string "k"])
      end }, { [v1] = true })
    end)

    it("a write over max_dirty", function()
      local large = ("w"):rep(700)
      flushed({ function(tree)
        set "v1"(tree)
        assert(tree:set("k", large))
        assert(tree:get_string "k" == large)
      end }, { [large] = true })
      -- The small value is not flushed until someone asks for it.
      flushed({ function(tree, host)
        assert(tree:set("k", "v1"))
        host.spawn(function() assert(tree:flush()) end)
        assert(tree:set("k", large))
        assert(tree:get_string "k" == large)
      end }, { [large] = true })
    end)

    it("the death of the writer", function()
      flushed({ function(tree, host)
        local writer = host.spawn(set "v1", tree)
        host:await "the killer"
        host.kill(writer)
      end }, { ["v0"] = true, [v1] = true })
    end)

    it("flush and close", function()
      fake.orders(function(host)
        local top, far = store(host, "top"), store(host, "far")
        far.begin_close = function() return function() return true end end
        top.begin_close = far.begin_close
        local tree = weir.tier { top, far, write = weir.back { after = 1000 } }
        host:main(function()
          assert(tree:set("k", "v1"))
          host.spawn(function() assert(tree:flush()) end)
          assert(tree:close())
        end)
        assert(far.data.k == "v1")
      end)
    end)
  end)

  -- ---- 4: an error is taken for a miss ----

  describe("4: an error is no miss:", function()
    it("the authority's stays an error, is not remembered and not promoted", function()
      local host = fake.host()
      local top, far = store(host, "top"), store(host, "far", { down = "unavailable" })
      local tier = weir.tier { top, far }
      local tree = tier:negative()
      host:main(function()
        local _, err = tree:get "k"
        assert.equal("unavailable", err.code)
        far.down, far.data.k = nil, "v"
        assert.equal("v", tostring(tree:get "k"))
      end)
      assert.same({ 0, 1 }, tier.found)
      assert.same({ 2, 0 }, tier.missed)
      assert.same({ 0, 1 }, tier.errors)
    end)

    it("an upper tier's is in no hit ratio and earns no copy", function()
      local host = fake.host()
      local top = store(host, "top", { down = "timeout" })
      local tier = weir.tier { top, store(host, "far", { data = { k = "v" } }) }
      host:main(function()
        assert.equal("v", tostring(tier:get "k"))
        assert.equal(0, top:count "set")
      end)
      assert.same({ 0, 1 }, tier.found)
      assert.same({ 0, 0 }, tier.missed)
    end)

    it("a miss below an error is the error", function()
      local host = fake.host()
      local pair = weir.failover { store(host, "a", { down = "reset" }),
        store(host, "b") }
      host:main(function()
        local value, err = pair:get "k"
        assert.is_nil(value)
        assert.equal("reset", err.code)
      end)
    end)
  end)

  -- ---- 5: single flight, and the leader's caller is cancelled ----

  describe("5: a flight harms nobody:", function()
    -- Two readers of one key; kill says which of them die. Returns the most calls.
    local function fly(kill, fields)
      local most = 0
      fake.orders(function(host)
        local far = store(host, "far", fields and fields() or { data = { k = "v" } })
        local tree = far:coalesce()
        local tasks, answers = {}, {}
        host:main(function()
          for i = 1, 2 do
            tasks[i] = host.spawn(function()
              local reply = tree:get_many { "k" }
              answers[i] = reply[1] .. (reply:string(1) or "")
            end)
          end
          host:await "the killer"
          for _, i in ipairs(kill) do host.kill(tasks[i]) end
        end)
        most = math.max(most, far:count "get")
        assert.is_true(far:count "get" <= 2)
        assert.is_nil(next(tree.reads))
        assert.equal(0, tree.n_reads)
        for i = 1, 2 do
          local killed = i == kill[1] or i == kill[2]
          assert(killed or answers[i], "reader " .. i .. " never had an answer")
        end
      end)
      return most
    end

    it("one call for two", function() assert.equal(1, fly {}) end)
    it("the leader is cancelled", function() assert.equal(1, fly { 1 }) end)
    it("the other is cancelled", function() assert.equal(1, fly { 2 }) end)
    it("all are cancelled", function() fly { 1, 2 } end)

    it("the leader's answer is an error: one other attempt", function()
      assert.equal(2, fly({}, function()
        return { data = { k = "v" }, faults = { k = { "reset" } } }
      end))
    end)

    it("every answer is an error", function()
      fly({}, function() return { down = "reset" } end)
    end)

    it("the leader has no time, the other has", function()
      local host = fake.host()
      local far = store(host, "far", { data = { k = "v" }, takes = 1 })
      local tree = far:coalesce()
      local first, second
      host:main(function()
        host.spawn(function() first = select(2, tree:get("k", { timeout = 0.5 })) end)
        second = tree:get("k", { timeout = 5 })
      end)
      assert.equal("timeout", first.code)
      assert.equal("v", tostring(second))
      assert.equal(2, far.calls)
    end)

    it("a write ends the flight for those who come later", function()
      fake.orders(function(host)
        local far = store(host, "far", { data = { k = "v1" } })
        local tree = far:coalesce()
        host:main(function()
          host.spawn(function() tree:get "k" end)
          assert(tree:set("k", "v2"))
          assert.equal("v2", tostring(tree:get "k"))
        end)
      end)
    end)
  end)

  -- ---- 6: retries multiply ----

  describe("6: attempts on a dead store stay within the budget", function()
    local function attempts(build, ops)
      local host = fake.host()
      local dead = store(host, "dead", { down = "unavailable" })
      local tree = build(dead)
      host:main(function()
        for i = 1, ops do tree:get("k" .. i) end
      end)
      return dead.asked
    end

    local OPS, SHARE, FLOOR = 500, 0.2, 10
    local shapes = {
      ["one retry"] = function(s) return s:retry { 5, budget = SHARE } end,
      ["two, nested"] = function(s)
        return s:retry { 3, budget = SHARE }:timeout(9):retry { 3, budget = SHARE }
      end,
      ["three, around a tier"] = function(s)
        local inner = weir.tier { s:prefix "a", s:retry { 4, budget = SHARE } }
        inner = weir.route { default = inner }:retry { 4, budget = SHARE }
        return inner:retry { 4, budget = SHARE }
      end,
    }

    for name, build in pairs(shapes) do
      it("with " .. name, function()
        local plain = attempts(function(s)
          return name:match "tier" and weir.tier { s:prefix "a", s } or s
        end, OPS)
        local calls = plain / OPS -- of the store, for one operation
        assert.is_true(attempts(build, OPS) <= (OPS * (1 + SHARE) + FLOOR) * calls)
      end)
    end

    it("with hedges below and above a retry, of a store that is slow, too", function()
      local host = fake.host()
      local slow = store(host, "slow", { takes = 1 })
      local function hedge(s) return s:hedge { delay = 0.1, budget = 0.05 } end
      local tree = hedge(hedge(slow):retry { 3, budget = SHARE })
      host:main(function()
        for i = 1, OPS do tree:get("k" .. i) end
      end)
      local most = OPS * 1.05 * 1.05 + 2
      assert.is_true(slow.asked <= most, slow.asked .. " of " .. most)
      assert.is_true(slow.asked > OPS)
    end)

    it("and nested ones share a slot's attempts when there is no budget", function()
      assert.equal(4, attempts(function(s)
        return s:retry { 3, budget = false }:retry { 3, budget = false }
      end, 1))
    end)
  end)

  -- ---- 7: a breaker that never closes, herds, or counts the wrong things ----

  describe("7: a breaker", function()
    local function tripped(host, fields)
      local far = store(host, "far", { down = "unavailable" })
      local options = { min = 4, window = 10, open = 5 }
      for name, value in pairs(fields or {}) do options[name] = value end
      local tree = far:breaker(options)
      host:main(function()
        for _ = 1, 4 do tree:get "k" end
      end)
      assert.equal("open", tree.state)
      far.log, far.calls = {}, 0
      return tree, far
    end

    it("lets exactly its probes through of 100 at once", function()
      for _, probes in ipairs { 1, 3 } do
        local host = fake.host()
        local tree, far = tripped(host, { probes = probes })
        far.down, far.takes = nil, 1
        host:main(function()
          host.sleep(5.1)
          for _ = 1, 100 do host.spawn(function() tree:get "k" end) end
          assert.equal(probes, far.calls)
        end)
        assert.equal("closed", tree.state)
      end
    end)

    it("recovers with the next call alone", function()
      local host = fake.host()
      local tree, far = tripped(host)
      far.down = nil
      host:main(function()
        host.sleep(5.1)
        assert.is_nil((select(2, tree:get "k")))
        assert.equal("closed", tree.state)
      end)
    end)

    it("waits twice as long after each failed probe, up to its bound", function()
      local host = fake.host()
      local tree = tripped(host, { max_open = 15 })
      local waits = {}
      host:main(function()
        for i = 1, 3 do
          host.sleep(tree.wait + 0.1)
          tree:get "k"
          waits[i] = tree.wait
        end
      end)
      assert.same({ 10, 15, 15 }, waits)
    end)

    it("gives a lost probe's permit to another", function()
      local host = fake.host()
      local tree, far = tripped(host)
      far.down = nil
      host:main(function()
        host.sleep(5.1)
        host:hold "far.get"
        local probe = host.spawn(function() tree:get "k" end)
        host.kill(probe)
        assert.equal("skipped", select(2, tree:get "k").code)
        host:release "far.get"
        host.sleep(5.1)
        assert.is_nil((select(2, tree:get "k")))
        assert.equal("closed", tree.state)
      end)
    end)

    it("does not count misses, rejections or mistakes", function()
      for _, status in ipairs { "miss", "rejected", "invalid", "toobig", "denied" } do
        local host = fake.host()
        local tree = weir.fail(status):breaker { min = 1, window = 4 }
        host:main(function()
          for _ = 1, 10 do tree:get "k" end
        end)
        assert.equal("closed", tree.state, status)
      end
    end)

    it("ignores answers to calls from before the trip, in any order", function()
      fake.orders(function(host)
        local far = store(host, "far", {
          faults = { a = { "reset" }, b = { "reset" } } })
        local tree = far:breaker { min = 2, window = 2, open = 1, fail = 1 }
        host:main(function()
          for _, key in ipairs { "a", "b", "late" } do
            host.spawn(function() tree:get(key) end)
          end
        end)
        local before = tree.state
        host:main(function()
          host.sleep(1.1)
          assert.is_nil((select(2, tree:get "again")))
        end)
        assert(before == "open" or before == "closed")
        assert.equal("closed", tree.state)
      end)
    end)
  end)

  -- ---- 8: keys move; down and up yields an older value ----

  describe("8: keys stay where they are:", function()
    it("down and up never yields an older value", function()
      for seed = 1, 300 do register.outages(seed) end
    end)

    it("a dead shard is errors in its own slots", function()
      local host = fake.host()
      local shards = {}
      for i = 1, 4 do shards[i] = store(host, "s" .. i) end
      local tree = weir.shard { unpack(shards) }
      host:main(function()
        local keys = {}
        for i = 1, 100 do keys[i] = "k" .. i end
        assert.is_true(tree:set_many(keys, keys):all "good")
        local lost = 0
        for _ in pairs(shards[2].data) do lost = lost + 1 end
        shards[2].down = "unavailable"
        local reply = tree:get_many(keys)
        assert.equal(lost, reply:count "unavailable")
        assert.equal(100 - lost, reply:count "good")
      end)
    end)
  end)

  -- ---- 9: a late answer writes into a reused buffer ----

  describe("9: a caller's buffer is its own after the reply:", function()
    it("a store that answers after the time-out, in any order", function()
      local orders = fake.orders(function(host)
        local deaf = store(host, "deaf", { deaf = true, takes = 1,
          data = { k = "pattern" } })
        local tree = deaf:timeout(1)
        local buffer = ffi.new("char[16]", "poison")
        host:main(function()
          local size, err = tree:get_into("k", buffer)
          if err then
            assert.equal("timeout", err.code)
            assert.equal("poison", ffi.string(buffer))
          else
            assert.equal("pattern", ffi.string(buffer, size))
          end
          ffi.copy(buffer, "poison")
        end)
        assert.equal("poison", ffi.string(buffer))
      end, { any_time = true })
      assert.is_true(orders >= 2)
    end)

    it("exists says yes, the buffer is short: toobig and the true size", function()
      local host = fake.host()
      local tree = weir.tier { store(host, "top"),
        store(host, "far", { data = { k = "12345678" } }) }
      host:main(function()
        assert.is_true(tree:exists "k")
        local size, err = tree:get_into("k", ffi.new "char[4]")
        assert.is_nil(size)
        assert.equal("toobig", err.code)
        assert.equal(8, err.size)
      end)
    end)
  end)

  -- ---- 10: one bad key fails the batch; a scan flushes the top ----

  describe("10: one key or one scan spoils nothing:", function()
    it("a bad key is its own slot's", function()
      local host = fake.host()
      local far = store(host, "far", { data = { a = "1", c = "3" },
        faults = { b = "corrupt" } })
      local tree = weir.tier { store(host, "top"), far }:retry():breaker()
      host:main(function()
        local reply = tree:get_many { "a", "b", "c" }
        assert.same({ "ok", "corrupt", "ok" }, { reply[1], reply[2], reply[3] })
      end)
    end)

    it("4,000 keys read once change the top by their admission share", function()
      for share, promote in pairs { [0] = weir.hits(2), [0.05] = weir.prob(0.03) } do
        local host = fake.host { seed = 3 }
        local top, far = store(host, "top"), store(host, "far")
        local tree = weir.tier { top, far, promote = promote }
        for i = 1, 4000 do far.data["scan" .. i] = "v" end
        host:main(function()
          for i = 1, 4000 do assert(tree:get("scan" .. i)) end
        end)
        local copies = 0
        for _ in pairs(top.data) do copies = copies + 1 end
        assert.is_true(copies <= share * 4000, copies .. " copies")
      end
    end)
  end)
end)
