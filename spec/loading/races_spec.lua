-- The races of fetch: every order of events on small cases (traps 1, 4 and 5 of
-- traps_spec, for loaders).
local fake = require "fake"
local script = require "fake.store"
local weir = require "weir"

-- A loader with an await of its own. It reads `source` when it goes on.
local function loader_of(host, source)
  return function()
    source.calls = source.calls + 1
    local value = source.value
    host:await "loader"
    if value == "raise" then error "down" end
    return value
  end
end

local function check_rest(store)
  local state = store.loading
  if not state then return end
  assert(next(state.loads) == nil, "a load was left over")
  assert(next(state.generations.locked) == nil, "a lock was left over")
end


describe("fetch, in every order of events,", function()
  after_each(fake.leave)

  -- A fetch beside a writer, who changes the source and then the store.
  local function race(write)
    return fake.orders(function(host)
      local far = script.store(host, "far")
      local source = { calls = 0, value = "old" }
      host:main(function()
        far:fetch("another", function() return "v" end)
        host.spawn(function()
          far:fetch("k", loader_of(host, source), { ttl = 60, neg_ttl = 60 })
        end)
        source.value = "new"
        write(far)
      end)
      check_rest(far)
      assert(far.data.k ~= "old", "an old value came back")
      host:main(function()
        local seen = far:fetch("k", loader_of(host, source))
        assert(tostring(seen) == "new", tostring(seen))
      end)
    end)
  end

  it("a set wins over the loader's older value", function()
    assert.is_true(race(function(far) assert(far:set("k", "new")) end) > 20)
  end)

  it("a delete wins over the loader's older value", function()
    assert.is_true(race(function(far) far:delete "k" end) > 20)
  end)

  it("a set wins over the loader's nil, and over a remembered absence", function()
    fake.orders(function(host)
      local far = script.store(host, "far")
      local source = { calls = 0 }
      host:main(function()
        host.spawn(function()
          far:fetch("k", loader_of(host, source), { neg_ttl = 60 })
        end)
        assert(far:set("k", "set"))
        assert.equal("set", tostring(far:fetch("k", error)))
      end)
      assert.equal("set", far.data.k)
      check_rest(far)
    end)
  end)

  it("a set is not undone by a load that ends with an absent value", function()
    local how = { ttl = 10, stale_if_error = 100, neg_ttl = 60 }
    fake.orders(function(host)
      local far = script.store(host, "far")
      local source = { calls = 0 }
      host:main(function()
        far:fetch("k", function() return "old" end, how)
        host.sleep(11)
        host.spawn(function() far:fetch("k", loader_of(host, source), how) end)
        assert(far:set("k", "set"))
      end)
      assert(far.data.k == "set", tostring(far.data.k))
      check_rest(far)
    end)
  end)

  it("many fetch a key with one call, whoever is killed", function()
    for _, killed in ipairs { {}, { 1 }, { 2 }, { 1, 2 } } do
      fake.orders(function(host)
        local far = script.store(host, "far")
        local source, tasks, answers = { calls = 0, value = "v" }, {}, {}
        host:main(function()
          for i = 1, 2 do
            tasks[i] = host.spawn(function()
              answers[i] = tostring(far:fetch("k", loader_of(host, source)))
            end)
          end
          host:await "the killer"
          for _, i in ipairs(killed) do host.kill(tasks[i]) end
        end)
        assert(source.calls <= 1, source.calls .. " calls")
        for i = 1, 2 do
          local dead = i == killed[1] or i == killed[2]
          assert(dead or answers[i] == "v", "caller " .. i .. " has no value")
        end
        check_rest(far)
      end)
    end
  end)

  it("an error is shared, stored nowhere and remembered by nobody", function()
    fake.orders(function(host)
      local far = script.store(host, "far")
      local source, failed = { calls = 0, value = "raise" }, 0
      host:main(function()
        local tasks = {}
        for i = 1, 2 do
          tasks[i] = host.spawn(function()
            local _, err = far:fetch("k", loader_of(host, source), { neg_ttl = 60 })
            if err.code == "failed" then failed = failed + 1 end
          end)
        end
        for i = 1, 2 do host.join(tasks[i]) end
        source.value = "v"
        assert.equal("v", tostring(far:fetch("k", loader_of(host, source))))
      end)
      assert.equal(2, failed)
      check_rest(far)
    end)
  end)

  it("a loader that hangs ends with its caller's time, for all", function()
    fake.orders(function(host)
      local far = script.store(host, "far")
      local codes = {}
      host:main(function()
        for i = 1, 2 do
          host.spawn(function()
            local _, err = far:fetch("k", function() host.sleep(3600) end,
              { timeout = i })
            codes[i] = err.code
          end)
        end
      end)
      assert.same({ "timeout", "timeout" }, codes)
      check_rest(far)
    end, { any_time = false })
  end)

  it("values fetched through a tier are never older than a write", function()
    local orders = fake.orders(function(host)
      local top, far = script.store(host, "top"), script.store(host, "far")
      local tree = weir.tier { top, far }
      local source = { calls = 0, value = "old" }
      host:main(function()
        tree:fetch("another", function() return "v" end)
        host.spawn(function() tree:fetch("k", loader_of(host, source)) end)
        source.value = "new"
        assert(tree:set("k", "new"))
      end)
      assert(far.data.k == "new" and top.data.k ~= "old")
      check_rest(tree)
    end, { limit = 1e6 })
    assert.is_true(orders > 20, orders)
  end)
end)
