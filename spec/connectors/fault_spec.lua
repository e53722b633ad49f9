-- The fault connector, over memory.
local contract = require "contract"
local shell = require "shell"
local weir = require "weir"


-- A fault store, closed by the test: finally(function() store:close() end).
local function open(options)
  return weir.open("fault", options)
end


local function numbered(n)
  local keys = {}
  for i = 1, n do keys[i] = "k" .. i end
  return keys
end


local function statuses(reply)
  local out = {}
  for i = 1, #reply do out[i] = reply[i] end
  return out
end


describe("fault", function()
  describe("without a fault", function()
    contract { open = open, atomic = "all" }
  end)

  describe("late", function()
    contract {
      atomic = "all",
      open = function(options)
        options.delay, options.jitter = "100us", "200us"
        return open(options)
      end,
    }
  end)

  for _, status in ipairs { "failed", "timeout", "reset", "busy", "skipped",
    "unavailable", "nospace", "toobig", "denied", "unsupported", "corrupt",
    "invalid" } do
    it("answers " .. status .. " and says that it was injected", function()
      local store = open { rate = 1, status = status }
      finally(function() store:close() end)
      local value, err = store:get "a"
      assert.is_nil(value)
      assert.equal(status, err.code)
      assert.matches("injected", err.message)
    end)
  end

  it("answers a miss, and a rejection, that the target did not", function()
    local misses = open { rate = 1, status = "miss" }
    local rejects = open { rate = 1, status = "rejected" }
    finally(function() misses:close() rejects:close() end)
    assert.same({}, { misses:get "a" })
    assert.same({ "rejected" }, statuses(rejects:set_many({ "a" }, { "x" })))
    assert.is_false((rejects:set("a", "x")))
  end)

  it("hits about as many items as rate says, the same for a seed", function()
    local runs = {}
    for i, seed in ipairs { 1, 1, 2 } do
      local store = open { rate = 0.3, seed = seed, workers = 1 }
      local reply = store:exists_many(numbered(2000))
      runs[i] = statuses(reply)
      assert.is_true(reply:count "failed" > 500 and reply:count "failed" < 700)
      store:close()
    end
    assert.same(runs[1], runs[2])
    assert.are_not.same(runs[1], runs[3])
  end)

  it("decides by the key, whatever the batch and the worker", function()
    local keys = numbered(100)
    local batched, single = open { rate = 0.3, workers = 4 }, open { rate = 0.3 }
    finally(function() batched:close() single:close() end)
    local reply = batched:exists_many(keys)
    for i, key in ipairs(keys) do
      assert.equal(reply[i], statuses(single:exists_many { key })[1])
    end
  end)

  it("lets the rest of a batch through, and another try", function()
    local store = open { rate = 0.3 }
    finally(function() store:close() end)
    local keys = numbered(100)
    local left = keys
    for _ = 1, 50 do
      local reply, failed = store:set_many(left, left), {}
      for i, key in ipairs(left) do
        if reply[i] ~= "ok" then failed[#failed + 1] = key end
      end
      left = failed
      if #left == 0 then break end
    end
    assert.equal(0, #left)
  end)

  it("breaks sessions, which heal", function()
    local store = open { die = 1, count = 3, workers = 1, slice_items = 1 }
    finally(function() store:close() end)
    for _ = 1, 3 do
      assert.equal("reset", select(2, store:set("a", "x")).code)
    end
    assert.is_true(store:set("a", "x"))
    assert.equal(3, store:stats().reconnects)
  end)

  it("applies what then seems to fail, if it is told so", function()
    for _, applied in ipairs { true, false } do
      local store = open { die = 1, count = 1, applied = applied }
      assert.is_nil(store:set("a", "x"))
      assert.equal(applied, store:get "a" ~= nil)
      store:close()
    end
  end)

  it("hangs until the deadline", function()
    local store = open { hang = 1, count = 1 }
    finally(function() store:close() end)
    local start = weir.now()
    local value, err = store:get("a", { timeout = 1 })
    assert.is_nil(value)
    assert.equal("timeout", err.code)
    assert.is_true(weir.now() - start >= 0.99)
    assert.is_true(store:set("a", "x"))
  end)

  it("never passes garbage on", function()
    local store = open { garbage = 1 }
    finally(function() store:close() end)
    assert.is_true(store:set_many(numbered(50), numbered(50)):all "error")
    assert.is_true(store:get_many(numbered(50)):all "error")
  end)

  it("brings half of a value", function()
    local store = open { truncate = 1 }
    finally(function() store:close() end)
    assert.is_true(store:set("a", "12345678"))
    assert.equal("1234", tostring(store:get "a"))
  end)

  it("takes its time", function()
    local store = open { delay = "30ms" }
    finally(function() store:close() end)
    local start = weir.now()
    assert.is_false(store:exists "a")
    assert.is_true(weir.now() - start >= 0.03)
  end)

  it("fails the first connects, and heals", function()
    local store = open { connect_failures = 2, workers = 1, backoff = "1ms" }
    finally(function() store:close() end)
    local value, err = store:get "a"
    assert.is_nil(value)
    assert.equal("unavailable", err.code)
    assert.matches("injected", err.message)
    local deadline = weir.now() + 5
    while select(2, store:get "a") and weir.now() < deadline do weir.sleep(0.002) end
    assert.same({}, { store:get "a" })
    assert.equal(2, store:stats().connect_failures)
  end)

  it("hangs in a connect until it times out, or close", function()
    local store = open { connect_failures = 1, connect_hang = true,
      connect_timeout = "30ms", workers = 1 }
    assert.equal("unavailable", select(2, store:get "a").code)
    store:close()
  end)

  it("keeps to after, count and match", function()
    local store = open { rate = 1, after = 2, count = 2, match = "bad/" }
    finally(function() store:close() end)
    local seen = {}
    for i = 1, 6 do
      assert.is_false(store:exists("good/" .. i))
      seen[i] = select(2, store:exists("bad/" .. i)) ~= nil
    end
    assert.same({ false, false, true, true, false, false }, seen)
    assert.equal(2, store:stats().gauges.faults)
  end)

  it("shows the target's numbers beside its own", function()
    local store = open { target = "memory://?capacity=1MiB" }
    finally(function() store:close() end)
    assert.equal(1024 * 1024, store:stats().gauges.capacity)
    assert.equal("fault memory", store.name)
  end)

  it("runs calls of a policy file, one at a time with any number of workers", function()
    local folder = shell.folder()
    finally(function() shell.remove(folder) end)
    shell.write(folder .. "/kv.lua", "local weir = require 'weir'\n"
      .. "return weir.memory { capacity = '1MiB' }")
    shell.write(folder .. "/program.lua", ([[
      local weir = require "weir"
      weir.run(function()
        local store = weir.open("fault", { target = "lua:%s/kv.lua", workers = 4 })
        local left = 400
        for i = 1, 400 do
          weir.spawn(function()
            assert(store:set("k" .. i, "v" .. i))
            assert(tostring(store:get("k" .. i)) == "v" .. i)
            left = left - 1
          end)
        end
        while left > 0 do weir.sleep(0.001) end
        store:close()
      end)
      print "all"]]):format(folder))
    local code, out, err = shell.run(("%s/weir run %s/program.lua"):format(
      os.getenv "WEIR_BUILD" or "build", folder), nil, 30)
    assert.same({ 0, "all\n" }, { code, out }, err)
  end)

  it("reads shares with a point where the locale has a comma", function()
    local folder = shell.folder()
    finally(function() shell.remove(folder) end)
    shell.write(folder .. "/source", "LC_NUMERIC\ndecimal_point \",\"\n"
      .. "thousands_sep \".\"\ngrouping 3;3\nEND LC_NUMERIC\n")
    shell.write(folder .. "/program.lua", [[
      local weir = require "weir"
      assert(os.setlocale("comma", "numeric"), "no such locale")
      weir.run(function()
        local store = weir.open("fault", { rate = 0.5, connect_rate = "0.25",
          delay = "1.5ms", target = "memory://?capacity=1.5MiB" })
        assert(store:stats().gauges.capacity == 1.5 * 2 ^ 20)
        store:close()
        local tree = weir.memory { capacity = "1.5MiB" }:fault { 0.5 }:timeout "0.5s"
        assert(tree.seconds == 0.5)
        tree:close()
      end)
      print "read"]])
    local code, out, err = shell.run(("localedef -c -i %s/source %s/comma 2>%s/said; "
      .. "LOCPATH=%s %s/weir run %s/program.lua"):format(folder, folder, folder, folder,
      os.getenv "WEIR_BUILD" or "build", folder))
    assert.same({ 0, "read\n" }, { code, out }, err)
  end)

  for what, case in pairs {
    ["a rate over 1"] = { { rate = 1.5 }, "rate: expected a share of 0 to 1" },
    ["a rate that is none"] = { { die = "often" }, "die: expected a share" },
    ["rates that add up to more than 1"] = { { rate = 0.6, die = 0.6 }, "1.2" },
    ["an unknown status"] = { { status = "fail" }, "failed|timeout" },
    ["an unknown target"] = { { target = "memry" }, "did you mean memory%?" },
    ["an unknown option"] = { { raet = 1 }, "did you mean rate%?" },
  } do
    it("says what is wrong with " .. what, function()
      local opened, message = pcall(open, case[1])
      assert.is_false(opened)
      assert.matches(case[2], message)
    end)
  end
end)
