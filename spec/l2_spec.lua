-- The ancestor's multi-process interface: its scenarios, replayed.
local ffi = require "ffi"
local C = require("weir.ffi").C
local Host = require "weir.host"
local Keys = require "weir.l2.keys"
local Server = require "redis_server"
local scripted = require "scripted"
local weir = require "weir"


-- A key of the model "m" whose hash is the text.
local function key(text, salt)
  return { model = "m", rank = 0, group = 1, hash = text, salt = salt }
end


local function keys_of(...)
  local list = {}
  for i, text in ipairs { ... } do list[i] = key(text) end
  return list
end


local function readable(fd)
  local poll = ffi.new "struct weir_pollfd[1]"
  poll[0].fd, poll[0].events = fd, 1
  return C.weir_ppoll(poll, 1, ffi.new "struct weir_timespec", nil) == 1
end


-- The results of one task, waited for.
local function store(l2, keys, objects)
  local id = assert(l2:submit_store_task(keys, objects))
  assert(l2:wait("store", 5))
  local list = l2:pop_completed_store_tasks()
  assert.same({ 1, id }, { #list, list[1].id })
  return tostring(list[1].bitmap), list[1].reply
end


local function lookup(l2, keys, opts)
  local id = assert(l2:submit_lookup_and_lock_task(keys, opts))
  assert(l2:wait("lookup", 5))
  local bitmap, reply = l2:query_lookup_and_lock_result(id)
  assert.is_nil(l2:query_lookup_and_lock_result(id))
  return tostring(bitmap), reply
end


local function load_all(l2, keys, size)
  local buffers = {}
  for i = 1, #keys do buffers[i] = ffi.new("char[?]", size or 16) end
  local id = assert(l2:submit_load_task(keys, buffers))
  assert(l2:wait("load", 5))
  local bitmap, reply = l2:query_load_result(id)
  local values = {}
  for i = 1, #keys do
    values[i] = bitmap:test(i) and ffi.string(buffers[i], reply:size(i)) or false
  end
  return values, tostring(bitmap)
end


describe("a key", function()
  it("goes to text and back, with a salt and without", function()
    for text, k in pairs {
      ["m@00000000@0@61@" .. ("s"):rep(128)] =
        { model = "m", rank = 0, group = 0, hash = "a", salt = ("s"):rep(128) },
      ["llama/8b@0000000a@1f@00ff61"] =
        { model = "llama/8b", rank = 10, group = 31, hash = "\0\255a" },
      ["m@ffffffff@20000000000000@61@t 1"] =
        { model = "m", rank = 2 ^ 32 - 1, group = 2 ^ 53, hash = "a", salt = "t 1" },
    } do
      assert.equal(text, Keys.encode(k))
      assert.same(k, Keys.decode(text))
      assert.equal(k.salt or "", Keys.salt(text))
    end
  end)

  it("with an @ in it, or a field that is none, is refused at the caller", function()
    for wrong, message in pairs {
      [{ model = "a@b" }] = "model is a name without @, not \"a@b\"",
      [{ salt = "x@y" }] = "salt is a name without @",
      [{ salt = "a/b" }] = "salt is a name without @, /,",
      [{ salt = "a\\b" }] = "salt is a name without @, /, \\",
      [{ salt = "a\0b" }] = "salt is a name without .* NUL",
      [{ salt = ("s"):rep(129) }] = "salt is a name .* of 128 bytes at most",
      [{ rank = 2 ^ 32 }] = "rank is a whole number below 2%^32",
      [{ group = 0.5 }] = "group is a whole number",
      [{ hash = "" }] = "hash is a string of bytes",
    } do
      local k = key "h"
      for name, value in pairs(wrong) do k[name] = value end
      local good, why = pcall(function() Keys.encode(k) end)
      assert.is_false(good)
      assert.matches("l2_spec.lua:%d+: a key's " .. message, why)
    end
  end)

  it("has no salt when that is empty", function()
    assert.equal("m@00000000@1@68", Keys.encode(key("h", "")))
    assert.equal("", Keys.salt(Keys.encode(key("h", ""))))
  end)

  it("whose text has a salt that is none is refused at the caller, too", function()
    local l2 = weir.l2(weir.memory {})
    for _, salt in ipairs { "a/b", "a\\b", "a\0b", ("s"):rep(129) } do
      local text = "m@00000000@1@68@" .. salt
      local good, why = pcall(function() l2:submit_unlock { text } end)
      assert.is_false(good)
      assert.matches("l2_spec.lua:%d+: a key's salt is a name", why)
    end
    l2:submit_unlock { "any text", "m@00000000@1@68@t 1" }
  end)

  it("that is none is not decoded", function()
    for _, text in ipairs {
      "", "m", "m@1@2@33", "m@00000001@2@333", "m@00000001@2@33@", "@00000001@2@33",
      "m@00000001@2@33@a@b", "m@0000000g@2@33", "m@00000001@2@33@a/b",
    } do
      assert.is_nil(Keys.decode(text))
    end
  end)
end)


-- Over a store in place, one with workers, and a policy.
for name, open in pairs {
  ["a store in memory"] = function() return weir.memory { capacity = "8MiB" } end,
  ["a store with workers"] = function()
    return weir.memory { capacity = "8MiB", inline = false }
  end,
  ["a policy"] = function()
    local near = weir.memory { capacity = "8MiB" }
    local far = weir.memory { capacity = "8MiB", inline = false }
    return weir.tier { near, far } :retry { 2 }
  end,
} do
  describe("the L2 adapter over " .. name, function()
    local l2

    -- Each test is a task of the loop.
    local function scenario(description, fn, opts)
      it(description, function()
        weir.run(function()
          local under = open()
          l2 = weir.l2(under, opts)
          fn(under)
          assert(l2:close())
          under:close()
        end)
      end)
    end

    scenario("stores, looks up, loads", function()
      local keys = keys_of("a", "b", "c")
      assert.equal("111", (store(l2, keys, { "one", "", ("x"):rep(16) })))
      assert.equal("111", (lookup(l2, keys)))
      assert.same({ "one", "", ("x"):rep(16) }, (load_all(l2, keys)))
      l2:submit_unlock(keys)
    end)

    scenario("answers partial hits key by key", function()
      store(l2, keys_of("a", "c"), { "1", "3" })
      local found, reply = lookup(l2, keys_of("a", "b", "c", "a"))
      assert.equal("1011", found)
      assert.equal("miss", reply[2])
      local values, read = load_all(l2, keys_of("a", "b", "c"))
      assert.same({ "1", false, "3" }, values)
      assert.equal("101", read)
    end)

    scenario("says how many lead, since a hole makes the rest useless", function()
      store(l2, keys_of("a", "b", "d"), { "1", "2", "4" })
      local id = l2:submit_lookup_and_lock_task(keys_of("a", "b", "c", "d"))
      l2:wait "lookup"
      local bitmap = l2:query_lookup_and_lock_result(id)
      assert.same({ 3, 2, 4 }, { bitmap:count(), bitmap:lead(), bitmap.n })
    end)

    scenario("deletes no key that is locked, by count", function()
      local keys = keys_of("a", "b")
      store(l2, keys, { "1", "2" })
      lookup(l2, keys_of "a")
      lookup(l2, keys_of "a")
      assert.same({ "locked", "ok" }, l2:delete(keys))
      l2:submit_unlock(keys_of "a")
      assert.same({ "locked", "miss" }, l2:delete(keys))
      l2:submit_unlock(keys_of "a")
      assert.same({ "ok", "miss" }, l2:delete(keys))
      l2:submit_unlock(keys_of "a")
      assert.equal("0", (lookup(l2, keys_of "a")))
      store(l2, keys_of "a", { "again" })
      assert.same({ "ok" }, l2:delete(keys_of "a"))
    end)

    scenario("tells listeners what was stored, read, deleted, with sizes", function()
      local heard = {}
      local function hear(what)
        return function(keys, sizes)
          heard[#heard + 1] = ("%s %s %s"):format(what, Keys.decode(keys[1]).hash,
            table.concat(sizes, ","))
        end
      end
      l2:listen { stored = error }
      l2:listen { stored = hear "stored", accessed = hear "accessed",
        deleted = hear "deleted" }
      store(l2, keys_of("a", "b"), { "123", "4567" })
      load_all(l2, keys_of("b", "none"))
      l2:delete(keys_of("a", "none"))
      assert.same({ "stored a 3,4", "accessed b 4", "deleted a 3" }, heard)
      assert.equal(1, l2.ledger.failures)
    end)

    scenario("counts bytes by salt, and notices what is gone", function(under)
      store(l2, { key("a", "t1"), key("b", "t1"), key "c" }, { "123", "4", "56" })
      store(l2, { key("a", "t1") }, { "1" })
      assert.same({ t1 = 2, [""] = 2 }, l2:usage())
      under:delete(Keys.encode(key("b", "t1")))
      lookup(l2, { key("b", "t1") })
      l2:delete { key "c" }
      assert.same({ t1 = 1 }, l2:usage())
    end)

    scenario("counts what was there before, when asked to scan", function(under)
      under:set(Keys.encode(key("a", "t1")), "12345")
      local other = weir.l2(under, { scan = true })
      assert.same({ t1 = 5 }, other:usage())
      other:close()
    end)

    scenario("has three fds, each readable while its results wait", function()
      local fds = { l2:store_event_fd(), l2:lookup_event_fd(), l2:load_event_fd() }
      assert.is_true(fds[1] ~= fds[2] and fds[2] ~= fds[3] and fds[1] ~= fds[3])
      l2:submit_store_task(keys_of "a", { "1" })
      l2:submit_store_task(keys_of "b", { "2" })
      l2:wait "store"
      assert.is_true(readable(fds[1]))
      assert.is_false(readable(fds[2]) or readable(fds[3]))
      while readable(fds[1]) do
        l2:pop_completed_store_tasks()
        weir.sleep(0.01)
      end
      local one = l2:submit_lookup_and_lock_task(keys_of "a")
      local two = l2:submit_lookup_and_lock_task(keys_of "b")
      weir.sleep(0.05)
      l2:query_lookup_and_lock_result(one)
      assert.is_true(readable(fds[2]))
      l2:query_lookup_and_lock_result(two)
      assert.is_false(readable(fds[2]))
    end)

    scenario("takes nothing after close, and closes twice", function()
      assert.is_true((l2:close()))
      local id, err = l2:submit_store_task(keys_of "a", { "1" })
      assert.is_nil(id)
      assert.equal("skipped", err.code)
      assert.is_nil((l2:submit_lookup_and_lock_task(keys_of "a")))
      assert.is_nil((l2:submit_load_task(keys_of "a", { ffi.new "char[1]" })))
      assert.same({ "miss" }, l2:delete(keys_of "a"))
    end)

    scenario("refuses objects and buffers that are none, at the caller", function()
      for message, call in pairs {
        ["1 keys need a list of as many objects"] = function()
          l2:submit_store_task(keys_of "a", {})
        end,
        ["a value is a string"] = function()
          l2:submit_store_task(keys_of "a", { 5 })
        end,
        ["a buffer is an array"] = function()
          l2:submit_load_task(keys_of "a", { "text" })
        end,
      } do
        local good, why = pcall(call)
        assert.is_false(good)
        assert.matches("l2_spec.lua:%d+: .*" .. message, why)
      end
    end)
  end)
end


-- A store with workers whose answers to a verb come when w is woken.
local function lagging(verb)
  local under, w = weir.memory { capacity = "8MiB", inline = false }, Host.prepare()
  local late = setmetatable({}, { __index = under })
  late[verb] = function(self, ...)
    local reply = under[verb](self, ...)
    Host.park(w)
    return reply
  end
  return late, w
end


describe("the L2 adapter, when an answer is older than a store,", function()
  -- Starts a question while the store holds `held`, stores "12345" meanwhile, lets the
  -- answer land.
  local function overtake(verb, ask, held)
    weir.run(function()
      local late, w = lagging(verb)
      local l2, gone = weir.l2(late), 0
      l2:listen { deleted = function() gone = gone + 1 end }
      store(l2, keys_of "a", { "123" })
      late:delete(Keys.encode(key "a"))
      if held then late:set(Keys.encode(key "a"), held) end
      local task = weir.spawn(ask, l2)
      store(l2, keys_of "a", { "12345" })
      Host.wake(w)
      assert(weir.join(task))
      assert.same({ 0, { [""] = 5 } }, { gone, l2:usage() })
      l2:close()
    end)
  end

  it("takes no late miss of a lookup for a deletion", function()
    overtake("exists_many", function(l2) lookup(l2, keys_of "a") end)
  end)

  it("takes no late miss of a load for a deletion", function()
    overtake("get_into_many", function(l2) load_all(l2, keys_of "a") end)
  end)

  it("takes no late answer of a delete for a deletion", function()
    overtake("delete_many", function(l2) l2:delete(keys_of "a") end)
  end)

  it("takes no late size of a load for what is stored", function()
    overtake("get_into_many", function(l2) load_all(l2, keys_of "a") end, "1")
  end)

  it("takes no late size of a load for a key that was deleted", function()
    weir.run(function()
      local late, w = lagging "get_into_many"
      local l2 = weir.l2(late)
      store(l2, keys_of "a", { "123" })
      local task = weir.spawn(load_all, l2, keys_of "a")
      l2:delete(keys_of "a")
      Host.wake(w)
      assert(weir.join(task))
      assert.same({}, l2:usage())
      l2:close()
    end)
  end)
end)


describe("the L2 adapter, when the store", function()
  it("fails for some keys, says which and why", function()
    weir.run(function()
      local under = weir.open("fault", {
        rate = "1", status = "unavailable", match = Keys.encode(key "x"),
      })
      local l2 = weir.l2(under)
      local keys = keys_of("a", "x", "b")
      local stored, reply = store(l2, keys, { "1", "2", "3" })
      assert.equal("101", stored)
      assert.equal("unavailable", reply:error(2).code)
      assert.equal("101", (lookup(l2, keys)))
      assert.same({ "locked", "unavailable", "locked" }, l2:delete(keys))
      assert.same({ "1", false, "3" }, (load_all(l2, keys)))
      l2:close()
      under:close()
    end)
  end)

  local function held(fn)
    weir.run(function()
      local under, script = scripted.open()
      script.hold, script.deaf = true, true
      local l2 = weir.l2(under, { timeout = 0.05 })
      fn(l2, script)
      script.hold = false
      scripted.await(function() return under:stats().inflight.batches == 0 end)
      assert(l2:close())
      under:close()
    end)
  end

  it("does not answer in time, ends each task with that, and locks nothing", function()
    held(function(l2)
      local found, reply = lookup(l2, keys_of "a")
      assert.equal("0", found)
      assert.equal("timeout", reply[1])
      assert.equal(0, l2.locks:count(Keys.encode(key "a")))
      assert.same({ false }, (load_all(l2, keys_of "a")))
      assert.equal("0", (store(l2, keys_of "a", { "1" })))
    end)
  end)

  it("answers a lookup after its unlock, leaves the key unlocked", function()
    weir.run(function()
      local under, script = scripted.open()
      local l2, keys = weir.l2(under), keys_of("a", "b")
      script.hold = true
      local id = l2:submit_lookup_and_lock_task(keys)
      l2:submit_unlock(keys_of "a")
      script.hold = false
      l2:wait "lookup"
      assert.equal("01", tostring(l2:query_lookup_and_lock_result(id)))
      assert.same({ "ok", "locked" }, l2:delete(keys))
      l2:close()
      under:close()
    end)
  end)

  it("is asked for a key while that is being deleted, does not find it", function()
    weir.run(function()
      local under, script = scripted.open()
      local l2 = weir.l2(under)
      script.hold = true
      local deletion = weir.spawn(function() return l2:delete(keys_of "a") end)
      local id = l2:submit_lookup_and_lock_task(keys_of "a")
      assert.is_nil(l2:query_lookup_and_lock_result(id))
      script.hold = false
      local _, outcome = weir.join(deletion)
      assert.same({ "ok" }, outcome)
      l2:wait "lookup"
      assert.equal("0", tostring(l2:query_lookup_and_lock_result(id)))
      l2:close()
      under:close()
    end)
  end)

  it("still works at close, is waited for, but not for ever", function()
    weir.run(function()
      local under, script = scripted.open()
      local l2 = weir.l2(under)
      script.hold, script.deaf = true, true
      local id = l2:submit_lookup_and_lock_task(keys_of "a")
      local closed, err = l2:close(0.02)
      assert.is_nil(closed)
      assert.matches("1 tasks of the L2 adapter still run", err.message)
      script.hold = false
      assert.is_true((l2:close()))
      assert.equal("1", tostring(l2:query_lookup_and_lock_result(id)))
      under:close()
    end)
  end)
end)


describe("the usage of the L2 adapter", function()
  -- Stores n values of some bytes under new keys, in tasks of 10.
  local function store_new(l2, n, size, first, salt)
    local value = ("x"):rep(size)
    for i = first, first + n - 1, 10 do
      local keys, values = {}, {}
      for j = 0, 9 do
        keys[j + 1], values[j + 1] = key(("%08d"):format(i + j), salt), value
      end
      store(l2, keys, values)
    end
  end

  local function within(expected, share, actual)
    assert.is_true(math.abs(actual - expected) <= share * expected,
      ("%g is not within %g of %g"):format(actual, share, expected))
  end

  -- What of the first n keys the store still has, in bytes.
  local function held(under, n, size)
    local keys = {}
    for i = 1, n do keys[i] = Keys.encode(key(("%08d"):format(i))) end
    return under:exists_many(keys):count "ok" * size
  end

  for name, open in pairs {
    ["in place"] = function() return weir.memory { capacity = "1MiB" } end,
    ["with workers"] = function()
      return weir.memory { capacity = "1MiB", inline = false }
    end,
  } do
    it("follows the evictions of a store " .. name .. ", and is bounded", function()
      weir.run(function()
        local under = open()
        local l2, told = weir.l2(under), 0
        l2:listen { deleted = function(keys) told = told + #keys end }
        store_new(l2, 20000, 1024, 1)
        assert(l2:wait("store", 0) == false)
        local there = held(under, 20000, 1024)
        local usage = l2:usage()[""]
        assert.is_true(usage >= there and usage <= 2 * there + 8 * 1024,
          ("%d of %d"):format(usage, there))
        assert.equal(20000, told + usage / 1024)
        local entries, queued = 0, 0
        for _ in pairs(l2.ledger.known.entries) do entries = entries + 1 end
        for _ in pairs(l2.ledger.known.queue) do queued = queued + 1 end
        assert.same({ l2:stats().known, l2:stats().known }, { entries, queued })
        l2:close()
        under:close()
      end)
    end)
  end

  it("is exact while nothing is evicted, through deletes and new values", function()
    weir.run(function()
      local under = weir.memory {}
      local l2 = weir.l2(under)
      store_new(l2, 500, 100, 1)
      store_new(l2, 200, 50, 1)
      l2:delete { key "00000300", key "00000400" }
      assert.same({ [""] = 200 * 50 + 298 * 100 }, l2:usage())
      l2:close()
    end)
  end)

  it("is an estimate of stated error when there are more keys than it keeps", function()
    weir.run(function()
      local under = weir.memory {}
      local l2 = weir.l2(under, { keys = 1000 })
      store_new(l2, 10000, 100, 1)
      store_new(l2, 5000, 300, 10001, "t1")
      local stats = l2:stats()
      assert.is_true(stats.known <= 1000 and stats.known > 300)
      assert.is_true(stats.weight >= 16 and stats.weight <= 32)
      -- Three standard errors of some 200 and 100 keys.
      within(10000 * 100, 0.25, l2:usage()[""])
      within(5000 * 300, 0.35, l2:usage().t1)
      l2:close()
    end)
  end)

  it("starts anew when nothing is left", function()
    weir.run(function()
      local under = weir.memory {}
      local l2 = weir.l2(under, { keys = 10 })
      store_new(l2, 100, 10, 1)
      assert.is_true(l2:stats().weight > 1)
      for i = 1, 100 do l2:delete { key(("%08d"):format(i)) } end
      assert.same({}, l2:usage())
      assert.equal(1, l2:stats().weight)
      l2:close()
    end)
  end)

  it("asks for the sizes that a scan does not tell, as that of redis", function()
    local server = Server.start()
    weir.run(function()
      local under = weir.open(server.url)
      local keys, values = {}, {}
      for i = 1, 1300 do
        keys[i], values[i] = Keys.encode(key("s" .. i, "t1")), "12345"
      end
      assert.is_true(under:set_many(keys, values):all "good")
      local l2 = weir.l2(under, { scan = true })
      assert.same({ t1 = 6500 }, l2:usage())
      l2:close()
      under.stat_many = function(_, list)
        return weir.fail "unsupported":stat_many(list)
      end
      local good, why = pcall(function() weir.l2(under, { scan = true }) end)
      assert.is_false(good)
      assert.matches("l2_spec.lua:%d+: weir.l2: scan = true needs the size", why)
      under:close()
    end)
    server:close()
  end)
end)


describe("a lock of the L2 adapter", function()
  -- Evicts everything else.
  local function flood(under, n)
    for i = 1, n or 3000 do under:set("flood" .. i, ("x"):rep(1024)) end
  end

  local value = ("v"):rep(1000)

  local function over(open, opts, fn)
    weir.run(function()
      local under = open()
      local l2 = weir.l2(under, opts)
      fn(l2, under)
      assert(l2:close())
      under:close()
    end)
  end

  local function small() return weir.memory { capacity = "1MiB", eviction = "lru" } end

  it("keeps what a store in place evicts until it is unlocked", function()
    over(small, nil, function(l2, under)
      local keys, heard = keys_of("a", "b"), {}
      l2:listen { accessed = function(_, sizes) heard[#heard + 1] = #sizes end }
      store(l2, keys, { value, "" })
      assert.equal("11", (lookup(l2, keys)))
      assert.equal("10", (lookup(l2, keys_of("a", "none"))))
      flood(under)
      assert.is_nil((under:get(Keys.encode(keys[1]))))
      assert.same({ value, "" }, (load_all(l2, keys, 1000)))
      assert.same({ 2 }, heard)
      l2:submit_unlock(keys)
      assert.same({ value, false }, (load_all(l2, keys, 1000)))
      l2:submit_unlock(keys)
      assert.same({ false, false }, (load_all(l2, keys, 1000)))
      assert.same({ 0, 0, 0 },
        { l2:stats().pinned, l2:stats().pinned_bytes, l2:stats().lost })
      assert.same({}, l2:usage())
    end)
  end)

  it("takes a reference, no copy", function()
    over(small, nil, function(l2, under)
      store(l2, keys_of "a", { value })
      lookup(l2, keys_of "a")
      local text = Keys.encode(key "a")
      assert.is_true(l2.pins.values[text].data == under:get(text).data)
    end)
  end)

  it("says that a buffer is too small for what is pinned, as a store does", function()
    over(small, nil, function(l2, under)
      store(l2, keys_of "a", { value })
      lookup(l2, keys_of "a")
      flood(under)
      local id = l2:submit_load_task(keys_of "a", { ffi.new "char[10]" })
      l2:wait "load"
      local bitmap, reply = l2:query_load_result(id)
      assert.same({ "0", "toobig", 1000 },
        { tostring(bitmap), reply[1], reply:size(1) })
    end)
  end)

  it("keeps the value that was stored last", function()
    over(small, nil, function(l2, under)
      store(l2, keys_of "a", { value })
      lookup(l2, keys_of "a")
      store(l2, keys_of "a", { "newer" })
      flood(under)
      assert.same({ "newer" }, (load_all(l2, keys_of "a")))
    end)
  end)

  it("holds no more bytes than it may; what is lost for it is counted", function()
    over(small, { pin = 1500 }, function(l2, under)
      local keys = keys_of("a", "b")
      store(l2, keys, { value, value })
      assert.equal("11", (lookup(l2, keys)))
      local stats = l2:stats()
      assert.same({ 1, 1000, 1, 2 },
        { stats.pinned, stats.pinned_bytes, stats.unpinned, stats.locked })
      flood(under)
      assert.same({ value, false }, (load_all(l2, keys, 1000)))
      assert.equal(1, l2:stats().lost)
    end)
  end)

  it("over a store with workers reads nothing, and a load says what is lost", function()
    over(function() return weir.memory { capacity = "1MiB", inline = false } end, nil,
      function(l2, under)
        store(l2, keys_of "a", { value })
        assert.equal("1", (lookup(l2, keys_of "a")))
        assert.is_nil(under:stats().ops.get)
        flood(under)
        assert.same({ false }, (load_all(l2, keys_of "a", 1000)))
        assert.equal(1, l2:stats().lost)
      end)
  end)
end)


describe("a lookup's arguments", function()
  local l2
  before_each(function() l2 = weir.l2(weir.memory {}) end)

  it("may be LMCache's newest: keys and the layouts of their groups", function()
    weir.run(function()
      store(l2, keys_of "a", { "1" })
      for _, layouts in ipairs {
        {}, { { shape = { 2, 3 }, dtype = "bf16" } }, { [0] = "layout" },
        { shapes = {}, dtypes = {} }, ffi.new "int[1]", print, false,
      } do
        assert.equal("1", (lookup(l2, keys_of "a", layouts)))
        local id = assert(l2:submit_lookup_and_lock_task(keys_of "a", layouts,
          { timeout = "1s" }))
        l2:wait "lookup"
        assert.equal("1", tostring(l2:query_lookup_and_lock_result(id)))
      end
      assert.equal("1", (lookup(l2, keys_of "a", { timeout = "1s" })))
      assert.equal("1", (lookup(l2, keys_of "a", { timeout = 1 })))
    end)
  end)

  it("are refused at the caller when the options are wrong", function()
    local keys = keys_of "a"
    for message, call in pairs {
      ['no option "timout"; did you mean "timeout"'] = function()
        l2:submit_lookup_and_lock_task(keys, { timout = 1 })
      end,
      ['no option "tmeout"'] = function()
        l2:submit_lookup_and_lock_task(keys, { {} }, { tmeout = 1 })
      end,
      ['no option "extra"'] = function()
        l2:submit_lookup_and_lock_task(keys, { timeout = 1, extra = 2 })
      end,
      ["a key is a table { model, rank, group, hash, salt }, not a nil"] = function()
        l2:submit_lookup_and_lock_task { keys[1], nil, keys[1] }
      end,
      ["timeout must be a time over 0"] = function()
        l2:submit_lookup_and_lock_task(keys, { timeout = "soon" })
      end,
      ["options are a table, not a number"] = function()
        l2:submit_store_task(keys, { "1" }, 5)
      end,
      ['weir.l2: has no option "timeuot"; did you mean "timeout"'] = function()
        weir.l2(weir.memory {}, { timeuot = 1 })
      end,
      ["weir.l2: pin is a number of bytes"] = function()
        weir.l2(weir.memory {}, { pin = "much" })
      end,
      ["weir.l2 takes a store, not a nil"] = function() weir.l2() end,
    } do
      local good, why = pcall(call)
      assert.is_false(good)
      assert.matches("l2_spec.lua:%d+: .*" .. message, why)
    end
    assert.equal(0, l2:stats().locked)
  end)
end)
