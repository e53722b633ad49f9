-- Reloading a policy file: what is kept, what is not, and what nobody notices.

local fake = require "fake"
local hung = require "hung"
local script = require "fake.store"
local weir = require "weir"

-- luacheck: globals memory route fail far tier breaker null negative

local path

local function write(text)
  local file = assert(io.open(path, "w"))
  file:write(text)
  file:close()
end

local function reload(handle, text)
  write(text)
  return assert(handle:reload())
end


-- Entries of a folder of /proc/self: threads, file descriptors.
local function count(folder)
  local pipe = io.popen("ls /proc/$PPID/" .. folder .. " | wc -l")
  local n = tonumber(pipe:read "*a")
  pipe:close()
  return n
end


-- KiB that live on, the compiler's traces (bounded in number) apart.
local function heap_size()
  jit.flush()
  collectgarbage()
  collectgarbage()
  return collectgarbage "count"
end


describe("a reloaded policy file", function()
  before_each(function() path = os.tmpname() end)
  after_each(function()
    os.remove(path)
    fake.leave()
  end)

  it("keeps equal stores with their contents and counts", function()
    local text = 'return memory { capacity = "1MiB" }:retry { 2 }'
    write(text)
    local handle = weir.load(path)
    assert(handle:set("k", "v"))
    local kept = handle.version.root
    reload(handle, text .. " -- the same")
    assert.equal(kept, handle.version.root)
    assert.equal("v", tostring(handle:get "k"))
    assert.equal(1, handle:stats()["retry"].ops.set.batches)
    handle:close()
  end)

  it("keeps a store whose policies change, and the counts of their places", function()
    write 'return memory { capacity = "1MiB" }:retry { 2 }'
    local handle = weir.load(path)
    assert(handle:set("k", "v"))
    reload(handle, 'return memory { capacity = "1MiB" }:retry { 3 }')
    assert.equal("v", tostring(handle:get "k"))
    assert.equal(1, handle:stats()["retry"].ops.set.batches)
    assert.equal(3, handle.version.root.times)
    handle:close()
  end)

  it("opens a store whose options change, and closes the old one in the end", function()
    write 'return memory { capacity = "1MiB" }'
    local handle = weir.load(path)
    assert(handle:set("k", "v"))
    local old = handle.version.root
    reload(handle, 'return memory { capacity = "2MiB" }')
    assert.is_nil(handle:get "k")
    assert.equal("v", tostring(old:get "k"))
    reload(handle, 'return memory { capacity = "2MiB" } -- again')
    assert.equal("skipped", select(2, old:get "k").code)
    handle:close()
  end)

  it("keeps two equal stores apart", function()
    local text = 'return route { a = memory {}, default = memory {} }'
    write(text)
    local handle = weir.load(path)
    assert(handle:set("a", "1"))
    assert(handle:set("b", "2"))
    reload(handle, text)
    assert.equal("1", tostring(handle:get "a"))
    assert.equal("2", tostring(handle:get "b"))
    handle:close()
  end)

  it("keeps a breaker open", function()
    write 'return fail "unavailable":breaker { min = 1, open = 60 }'
    local handle = weir.load(path)
    handle:get "k"
    assert.equal("skipped", select(2, handle:get "k").code)
    reload(handle, 'return fail "unavailable":breaker { min = 1, open = 60 }:meter "m"')
    assert.equal("skipped", select(2, handle:get "k").code)
    reload(handle, 'return fail "unavailable":breaker { min = 1, open = 50 }:meter "m"')
    assert.equal("skipped", select(2, handle:get "k").code)
    handle:close()
  end)

  it("that is bad changes nothing and says file, line and why", function()
    write 'return memory {}'
    local handle = weir.load(path)
    assert(handle:set("k", "v"))
    for text, why in pairs {
      ["return memry {}"] = 'did you mean "memory"',
      ["return memory {} :retry { bugdet = 1 }"] = 'did you mean "budget"',
      ["return 7"] = "must return a store",
      ["return ="] = ":1: unexpected symbol",
    } do
      write(text)
      local ok, err = handle:reload()
      assert.is_nil(ok)
      assert.matches(why, err, 1, true)
      assert.matches(path, err, 1, true)
    end
    assert.equal("v", tostring(handle:get "k"))
    handle:close()
  end)

  it("can be undone, once", function()
    write 'return memory { capacity = "1MiB" }'
    local handle = weir.load(path)
    assert(handle:set("k", "v"))
    reload(handle, 'return fail "denied"')
    assert.equal("denied", select(2, handle:get "k").code)
    assert.is_true(handle:undo())
    assert.equal("v", tostring(handle:get "k"))
    local ok, err = handle:undo()
    assert.is_nil(ok)
    assert.matches("no earlier version", err)
    handle:close()
  end)

  it("lets operations under way finish on the old tree", function()
    local host = fake.host()
    local a = script.store(host, "a", { data = { k = "old" }, takes = 1 })
    local b = script.store(host, "b", { data = { k = "new" } })
    local current = a
    local handle = weir.load(function() return far() end, {
      stores = { far = function() return current end } })
    local first, second
    host:main(function()
      host.spawn(function() first = tostring(handle:get "k") end)
      current = b
      assert(handle:reload())
      second = tostring(handle:get "k")
    end)
    assert.equal("old", first)
    assert.equal("new", second)
  end)

  it("keeps a promotion of the old tree from undoing a write of the new", function()
    fake.orders(function(host)
      local top = script.store(host, "top")
      local authority = script.store(host, "far", { data = { k = "v1" } })
      local times = 1
      local handle = weir.load(function()
        times = times + 1
        return tier { far.top, far.far }:retry { times }
      end, { stores = { far = { top = top, far = authority } } })
      host:main(function()
        host.spawn(function() handle:get "k" end)
        assert(handle:reload())
        assert(handle:set("k", "v2"))
      end)
      assert(top.data.k ~= "v1")
    end)
  end)

  -- What fn makes of four stores changes places when it is reloaded.
  local function swap(host, fn)
    local far, loads = {}, 0
    for _, name in ipairs { "a", "b", "c", "d" } do
      far[name] = script.store(host, name, { takes = name > "b" and 1 or nil })
    end
    return weir.load(function()
      loads = loads + 1
      local x, y = fn(far)
      return route { ["x/"] = loads == 1 and x or y, ["y/"] = loads == 1 and y or x }
    end, { stores = { far = far } })
  end

  it("takes no locks from tiers that change places", function()
    local host = fake.host()
    local handle = swap(host, function(s)
      return weir.tier { s.a, s.c }, weir.tier { s.b, s.d }
    end)
    local done = 0
    host:main(function()
      for _, key in ipairs { "x/k", "y/k", "x/k", "y/k" } do
        host.spawn(function() if handle:set(key, "v") then done = done + 1 end end)
      end
      assert(handle:reload())
    end)
    assert.equal(4, done)
  end)

  it("keeps the counts of nodes that change places apart", function()
    local host = fake.host()
    local handle = swap(host, function(s) return s.a:retry { 2 }, s.b:retry { 2 } end)
    host:main(function()
      handle:get "x/1"
      handle:get "x/2"
      handle:get "y/1"
      assert(handle:reload())
      handle:get "y/2"
    end)
    local stats = handle:stats()
    assert.equal(1, stats['["x/"].retry'].ops.get.keys)
    assert.equal(3, stats['["y/"].retry'].ops.get.keys)
  end)

  it("counts anew where a node came to stand in the place of one that moved", function()
    local host = fake.host()
    local far = { a = script.store(host, "a"), b = script.store(host, "b") }
    local moved = false
    local handle = weir.load(function()
      local retried = far.a:retry { 2 }
      if not moved then return route { default = retried } end
      return route { x = retried, default = far.b:retry { 2 } }
    end, { stores = { far = far } })
    host:main(function()
      handle:get "y"
      moved = true
      assert(handle:reload())
      handle:get "x"
    end)
    local stats = handle:stats()
    assert.equal(2, stats["x.retry"].ops.get.keys)
    assert.is_nil(next(stats["default.retry"].ops))
  end)

  -- A handle on what builds[1](far), builds[2](far), ... make, one after each reload.
  local function generations(builds)
    local host, far, loads = fake.host(), {}, 0
    for _, name in ipairs { "a", "b", "c" } do far[name] = script.store(host, name) end
    local handle = weir.load(function()
      loads = loads + 1
      return (builds[loads] or builds[#builds])(far)
    end, { stores = { far = far } })
    return host, handle, far
  end

  it("remembers which copies are old, whatever words and levels change", function()
    for _, builds in ipairs {
      { function(s) return weir.tier { s.a:timeout(5), s.b } end,
        function(s) return weir.tier { s.a:timeout(6), s.b } end },
      { function(s) return weir.tier { s.a, s.b } end,
        function(s) return weir.tier { s.c, s.a, s.b } end },
      { function(s) return weir.mirror { s.a:timeout(5), s.b, ack = 1 } end,
        function(s) return weir.mirror { s.a:retry { 1 }, s.b, ack = 1 } end },
      { function(s) return weir.mirror { s.a, s.b, ack = 1 } end,
        function(s) return weir.mirror { s.c, s.b, s.a, ack = 1 } end },
    } do
      local host, handle, far = generations(builds)
      host:main(function()
        assert(handle:set("k", "v1"))
        far.a.down = "unavailable"
        assert(handle:set("k", "v2"))
        far.a.down = nil
        assert(handle:reload())
        assert.equal("v2", tostring(handle:get "k"))
        host.sleep(5)
        far.c.down = "unavailable"
        assert.equal("v2", tostring(handle:get "k"))
      end)
    end
  end)

  it("shares what copies are old with the tree that undo goes back to", function()
    local host, handle, far = generations {
      function(s) return weir.tier { s.a:timeout(5), s.b } end,
      function(s) return weir.tier { s.a:timeout(6), s.b } end }
    host:main(function()
      assert(handle:set("k", "v1"))
      assert(handle:reload())
      far.a.down = "unavailable"
      assert(handle:set("k", "v2"))
      far.a.down = nil
      assert(handle:undo())
      assert.equal(5, handle.version.root.children[1].seconds)
      assert.equal("v2", tostring(handle:get "k"))
    end)
  end)

  it("remembers who stood in for whom, and so does undo", function()
    for _, back in ipairs { "reload", "undo" } do
      local host, handle, far = generations {
        function(s) return weir.failover { s.a, s.b, ttl = 50 } end,
        function(s) return weir.failover { s.a, s.b, ttl = 60 } end }
      host:main(function()
        if back == "undo" then assert(handle:reload()) end
        far.a.down = "unavailable"
        assert(handle:set("k", "v1"))
        far.a.down = nil
        assert(handle[back](handle))
        assert.equal("v1", tostring(handle:get "k"))
        assert(handle:set("k", "v2"))
        assert.is_nil(far.b.data.k)
      end)
    end
  end)

  it("that is undone brings back no absence from before it", function()
    local function before(s) return s.a:negative { ttl = 100 } end
    for _, after in ipairs {
      function(s) return s.a:retry { 2 }:negative { ttl = 100 } end,
      function(s) return s.a end,
    } do
      local host, handle = generations { before, after }
      host:main(function()
        assert.is_nil(handle:get "k")
        assert(handle:reload())
        assert(handle:set("k", "v"))
        assert(handle:undo())
        assert.equal("v", tostring(handle:get "k"))
      end)
    end
  end)

  it("that is undone brings back no copy from before it", function()
    local function before(s) return weir.tier { s.a, s.b } end
    for _, after in ipairs {
      function(s) return weir.tier { s.c, s.b } end,
      function(s) return s.b end,
    } do
      local host, handle, far = generations { before, after }
      far.b.data.read = "v1"
      host:main(function()
        for i = 1, 3000 do assert(handle:set("k" .. i, "v1")) end
        assert.equal("v1", tostring(handle:get "read"))
        assert(handle:reload())
        for i = 1, 3000 do assert(handle:set("k" .. i, "v2")) end
        assert(handle:set("read", "v2"))
        assert(handle:undo())
        for i = 1, 3000 do assert.equal("v2", tostring(handle:get("k" .. i))) end
        assert.equal("v2", tostring(handle:get "read"))
      end)
    end
  end)

  it("that is undone drops the copies that are being made", function()
    fake.orders(function(host)
      local top = script.store(host, "top")
      local authority = script.store(host, "far", { data = { k = "v1" } })
      local first = true
      local handle = weir.load(function()
        if not first then return far.far end
        first = false
        return tier { far.top, far.far }
      end, { stores = { far = { top = top, far = authority } } })
      host:main(function()
        host.spawn(function() handle:get "k" end)
        assert(handle:reload())
        assert(handle:set("k", "v2"))
        assert(handle:undo())
      end)
      assert(top.data.k ~= "v1")
    end)
  end)

  it("that cannot drop old copies is not undone", function()
    local host, handle, far = generations {
      function(s) return weir.tier { s.a, s.b } end,
      function(s) return s.b end,
    }
    host:main(function()
      assert(handle:set("k", "v1"))
      assert(handle:reload())
      assert(handle:set("k", "v2"))
      far.a.down = "unavailable"
      local undone, err = handle:undo()
      assert.is_nil(undone)
      assert.matches("nothing is undone, old copies cannot be deleted", err)
      assert.equal("v2", tostring(handle:get "k"))
      far.a.down = nil
      assert.is_true(handle:undo())
      assert.equal("v2", tostring(handle:get "k"))
    end)
  end)

  it("opens a breaker as soon as its new window says, and keeps an open one", function()
    local host, handle, far = generations {
      function(s) return s.a:breaker { window = 100 } end,
      function(s) return s.a:breaker { window = 50, min = 5 } end,
      function(s) return s.a:breaker { window = 60, min = 5 } end }
    host:main(function()
      for _ = 1, 150 do handle:get "k" end
      assert(handle:reload())
      for _ = 1, 50 do handle:get "k" end
      far.a.down = "unavailable"
      for _ = 1, 25 do handle:get "k" end
      assert.equal("open", handle.version.root.state)
      assert(handle:reload())
      assert.equal("skipped", select(2, handle:get "k").code)
    end)
  end)

  it("may give a shard replicas, and take them away", function()
    local host, handle = generations {
      function(s) return weir.shard { s.a, s.b } end,
      function(s) return weir.shard { s.a, s.b, replicas = 2 } end,
      function(s) return weir.shard { s.a, s.b } end }
    host:main(function()
      for _ = 1, 2 do
        assert(handle:reload())
        assert(handle:set("k", "v"))
      end
    end)
  end)

  it("does not wait for a server that hangs, which the new file leaves out", function()
    local server = hung.listen()
    finally(function() server:close() end)
    write(("return redis { port = %s, connect_timeout = '60s' }")
      :format(server.address:match "%d+$"))
    weir.run(function()
      local handle, started = weir.load(path), weir.now()
      handle:get("k", { timeout = 0.05 })
      for _ = 1, 2 do reload(handle, "return memory { capacity = '1MiB' }") end
      assert.is_true(weir.now() - started < 30)
      assert(handle:close())
    end)
  end)

  it("may be reloaded 1,000 times under load", function()
    local folder = os.tmpname()
    os.remove(folder)
    weir.run(function()
      local function text(i)
        return ([[
          local ram = memory { capacity = "%dMiB" }
          local disk = fs { path = %q }
          return tier { ram, disk, promote = hits(%d) }:retry { 2 }:deadline(5)
        ]]):format(1 + i % 2, folder, 1 + i % 3)
      end
      write(text(0))
      local handle = weir.load(path)
      local stop, done, tasks = false, 0, {}
      for t = 1, 4 do
        tasks[t] = weir.spawn(function()
          while not stop do
            local key = "key" .. done % 50
            assert(handle:set(key, "value"))
            assert.equal("value", tostring(assert(handle:get(key))))
            done = done + 1
          end
        end)
      end
      local heap, threads, fds
      for i = 1, 1000 do
        reload(handle, text(i))
        weir.sleep(0)
        if i == 200 then heap, threads, fds = heap_size(), count "task", count "fd" end
      end
      stop = true
      for t = 1, 4 do assert(weir.join(tasks[t])) end
      assert.is_true(done > 100, done .. " operations")
      -- Stores close on threads of their own. A leak would be one of each a reload.
      for _ = 1, 500 do
        if count "task" <= threads and count "fd" <= fds then break end
        weir.sleep(0.02)
      end
      assert.is_true(count "task" <= threads + 64, count "task" .. " threads")
      assert.is_true(count "fd" <= fds + 64, count "fd" .. " descriptors")
      local now = heap_size()
      assert.is_true(now < heap + 512, ("%d KiB, then %d"):format(heap, now))
      handle:close()
    end)
    os.execute("rm -rf " .. folder)
  end)
end)
