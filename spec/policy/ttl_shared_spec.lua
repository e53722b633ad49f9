-- ttl with stale times over a store that processes share. Each tree here has a store of
-- its own over one mapping, as a process would, on the virtual clock.
local C = require("weir.ffi").C
local fake = require "fake"
local script = require "fake.store"
local shell = require "shell"
local weir = require "weir"


local function on_clock(seconds) C.weir_set_now(seconds * 1e9) end


describe("ttl over a shared store", function()
  local folder, host, opened

  before_each(function() folder, opened = shell.ram_folder(), {} end)
  after_each(function()
    for _, store in ipairs(opened) do store:close() end
    fake.leave()
    C.weir_set_now(0)
    shell.remove(folder)
  end)

  local function begin()
    host = fake.host { on_clock = on_clock }
    on_clock(host.now())
  end

  -- A store as another process opens it.
  local function process()
    local store = weir.shm { path = folder .. "/shm", capacity = "128KiB" }
    opened[#opened + 1] = store
    return store
  end

  local function stale(tree, key)
    local reply = tree:get_many { key }
    return reply:string(1), reply.stale ~= nil and reply.stale[1] == true
  end

  it("knows when a value that another process has set stops being fresh", function()
    begin()
    local a = process():ttl(10, { stale = 5 })
    local b = process():ttl(10, { stale = 5 })
    host:main(function()
      assert(a:set("k", "v1"))
      host.sleep(4)
      assert.near(6, b:stat("k").ttl, 0.01)
      assert(b:set("k", "v2"))
      host.sleep(9)
      assert.same({ "v2", false }, { stale(a, "k") })
      host.sleep(2)
      assert.same({ nil, true }, { stale(b, "k") })
      assert.same({ "v2", true }, { stale(a, "k") })
      host.sleep(5)
      assert.same({ nil, false }, { stale(a, "k") })
    end)
  end)

  it("lets one process refresh a value", function()
    begin()
    local calls, trees = 0, {}
    for i = 1, 3 do
      trees[i] = process():ttl(10, { stale = 20, refresh = function()
        calls = calls + 1
        host.sleep(1)
        return "new"
      end })
    end
    host:main(function()
      assert(trees[1]:set("k", "old"))
      host.sleep(11)
      for _, tree in ipairs(trees) do
        assert.same({ "old", true }, { stale(tree, "k") })
      end
      host.sleep(2)
      for _, tree in ipairs(trees) do
        assert.same({ "new", false }, { stale(tree, "k") })
      end
    end)
    assert.equal(1, calls)
  end)

  it("lets all processes wait after a refresh that failed", function()
    begin()
    local calls, trees = 0, {}
    for i = 1, 2 do
      trees[i] = process():ttl(10, { stale = 60, pause = 5, refresh = function()
        calls = calls + 1
        error "the origin is down"
      end })
    end
    host:main(function()
      assert(trees[1]:set("k", "old"))
      host.sleep(11)
      for _ = 1, 40 do
        for _, tree in ipairs(trees) do assert.equal("old", (stale(tree, "k"))) end
        host.sleep(0.1)
      end
      assert.equal(1, calls)
      host.sleep(7)
      assert.equal("old", (stale(trees[2], "k")))
    end)
    assert.equal(2, calls)
  end)

  it("lets another process refresh when one dies", function()
    begin()
    local calls, stores, trees = {}, {}, {}
    for i = 1, 2 do
      stores[i] = process()
      trees[i] = stores[i]:ttl(10, { stale = 60, lease = 20, refresh = function()
        calls[#calls + 1] = i
        host.sleep(i == 1 and 1000 or 0.1)
        return "new"
      end })
    end
    host:main(function()
      assert(trees[2]:set("k", "old"))
      host.sleep(11)
      assert.equal("old", (stale(trees[1], "k")))
      assert.equal("old", (stale(trees[2], "k")))
      stores[1]:close()
      assert.equal("old", (stale(trees[2], "k")))
      host.sleep(1)
      assert.same({ "new", false }, { stale(trees[2], "k") })
      assert.same({ 1, 2 }, calls)
    end)
  end)

  -- Every order of a refresh in one process and a write in another one. make(top, far,
  -- options) returns a process's tree.
  local function race(make, write)
    local tops, run, beaten = { process(), process() }, 0, 0
    fake.orders(function(order)
      run, host = run + 1, order
      on_clock(host.now())
      local key = "k" .. run
      local far = script.store(host, "far", { data = { [key] = "v0" } })
      local origin = script.store(host, "origin", { data = { [key] = "v1" } })
      local trees = {}
      for i, top in ipairs(tops) do
        trees[i] = make(top, far, { stale = 60, refresh = function()
          return origin:get_string(key)
        end })
      end
      host:main(function()
        assert(trees[1]:set(key, "v0"))
        host.sleep(11)
        host.spawn(trees[1].get, trees[1], key)
        order:await "write"
        write(trees[2], key, function() origin.data[key] = "v2" end)
      end)
      local last = tops[2]:get_string(key)
      assert(last == "v2" or last == nil, ("%s came after the write"):format(last))
      beaten = beaten + trees[1]:tally().refreshes
    end, { on_clock = on_clock })
    return run, beaten
  end

  local function over_shm(top, _, options) return top:ttl(10, options) end
  local function over_tier(top, far, options)
    return weir.tier { top, far }:ttl(10, options)
  end
  local function over_mirror(top, far, options)
    return weir.mirror { top, far }:ttl(10, options)
  end

  for what, make in pairs { shm = over_shm, tier = over_tier, mirror = over_mirror } do
    it("of " .. what .. " drops a refresh when another process sets", function()
      local runs, refreshes = race(make, function(tree, key, change)
        change()
        assert(tree:set(key, "v2"))
      end)
      assert.is_true(runs > 2 and refreshes > 0)
    end)

    it("of " .. what .. " drops a refresh when another process deletes", function()
      local runs, refreshes = race(make, function(tree, key, change)
        change()
        assert(tree:delete(key) ~= nil)
      end)
      assert.is_true(runs > 2 and refreshes > 0)
    end)
  end

  it("lets a tier over it agree with other processes", function()
    begin()
    local far = script.store(host, "far", { data = { k = "v0" } })
    local a = weir.tier { process(), far, stale_while = "5s" }
    local b = weir.tier { process():ttl(10), far }
    host:main(function()
      host:hold "far.get.reply"
      host.spawn(a.get, a, "k")
      assert(b:set("k", "v1"))
      host:release "far.get.reply"
      host.sleep(1)
      assert.equal("v1", a:get_string "k")
      assert.near(9, b.children[1]:stat("k").ttl, 0.01)
    end)
    assert.equal(1, a:tally().promotions.superseded)
  end)
end)
