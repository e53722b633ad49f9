-- A replay: virtual time, models, what is counted, and that it is always the same.

local Bounds = require "weir.replay.bounds"
local Json = require "weir.app.show.json"
local Plain = require "weir.replay.plain"
local Run = require "weir.replay.run"
local shell = require "shell"

describe("a replay", function()
  local folder

  setup(function() folder = shell.folder() end)
  teardown(function() shell.remove(folder) end)

  local function write(name, text)
    shell.write(folder .. "/" .. name, text)
    return folder .. "/" .. name
  end

  local function policy(text)
    return write("p.lua", "return " .. text)
  end

  -- A trace of one key a request: "time key size" each.
  local function trace(lines)
    return write("t.csv", "time,key,size\n" .. table.concat(lines, "\n") .. "\n")
  end

  local function run(file, path, opts)
    return Run.simulate(file, { path }, opts or {})
  end

  it("computes and sets what a get misses", function()
    local report = run(policy "memory {}", trace { "1,a,10", "2,b,20", "3,a,10" })
    assert.same({ 3, 1, 2 }, { report.keys, report.hits, report.misses })
    assert.same({ 40, 10 }, { report.bytes, report.hit_bytes })
    assert.same({ 2, 30 }, { report.sets.stored, report.sets.bytes })
  end)

  it("opens models for a file that uses the module, too", function()
    local disk = folder .. "/disk"
    local path = write("module.lua", "local weir = require 'weir'\nreturn weir.tier { "
      .. "weir.memory {}, weir.fs { path = '" .. disk .. "' } }")
    local report = run(path, trace { "1,a,10", "2,a,10" })
    assert.same({ 2, 1 }, { report.keys, report.hits })
    assert.same({ "memory", "fs" }, { report.stores[1].label, report.stores[2].label })
    assert.is_nil(io.open(disk))
  end)

  it("does not code values, which have no bytes", function()
    local path = trace { "1,a,300000", "2,b,20", "3,a,300000", "4,b,20" }
    for _, below in ipairs { "memory {}", "fs { path = '/nowhere' }" } do
      for _, words in ipairs { ":compress()", ":checksum()", ":chunk(1000)",
        ":chunk(1000):checksum():compress():serialize()" } do
        local report = run(policy(below .. words), path)
        assert.same({ 2, 0 }, { report.hits, report.errors }, below .. words)
        assert.equal(300020, report.stores[1].ops.set.bytes)
      end
    end
  end)

  it("does what the trace says where it was recorded so", function()
    local path = write("ops.csv", "time,key,op,size\n1,a,get,5\n2,a,set,5\n3,a,get,5\n"
      .. "4,a,delete,0\n5,a,get,5\n")
    local report = run(policy "memory {}", path)
    assert.same({ 3, 1 }, { report.keys, report.hits })
    assert.equal("recorded", report.requests_mode)
    local gets = write("gets.csv", "time,key,op,size\n1,a,get,5\n2,a,get,5\n")
    assert.equal(0, run(policy "memory {}", gets).hits)
    assert.equal(1, run(policy "memory {}", gets, { recorded = false }).hits)
  end)

  it("moves time with the trace: what has expired is gone", function()
    local path = trace { "1,a,10", "5,a,10", "20,a,10", "25,a,10" }
    local stores = { "memory { ttl = '10s' }", "fs { path = '/x', ttl = '10s' }" }
    for _, store in ipairs(stores) do
      local report = run(policy(store), path)
      -- Set at 1 s, found at 5 s, gone at 20 s and set again, found at 25 s.
      assert.equal(2, report.hits, store)
    end
  end)

  it("opens, makes and connects nothing", function()
    local report = run(policy(("tier { fs { path = %q }, redis { host = 'no.such' } }")
      :format(folder .. "/made")), trace { "1,a,10", "2,a,10" })
    assert.equal(1, report.hits)
    assert.is_nil(io.open(folder .. "/made"))
  end)

  it("says of wrong options what the connector says", function()
    assert.error_matches(function()
      run(policy "fs { path = '/x', capacty = '1MiB' }", trace { "1,a,1" })
    end, 'capacty.*capacity')
  end)

  it("counts files in blocks and evicts in SIEVE's order, as fs does", function()
    -- Room for two files of one block each. a is marked, b is not: c takes its place.
    local report = run(policy "fs { path = '/x', capacity = '8KiB' }",
      trace { "1,a,100", "2,b,100", "3,a,100", "4,c,100", "5,a,100", "6,b,100" })
    assert.equal(2, report.hits)
    local fs = report.stores[1]
    assert.equal(2, fs.items)
    assert.equal(8192, fs.bytes)
    assert.equal(2, fs.evictions.count)
    assert.equal(2, fs.evictions.age.count)
  end)

  it("lets requests queue at a busy store", function()
    local lines = {}
    for i = 1, 10 do lines[i] = "1,k" .. i .. ",0" end
    local file = policy "fs { path = '/x', workers = 2 }"
    local opts = { speed = "open", factor = 1, recorded = true,
      rules = { fs = { latency = 0.010 } } }
    local report = run(file, trace(lines), opts)
    -- Ten gets of 10 ms each at the same time over two workers: the last ends at 50 ms.
    assert.near(0.050, report.latency.max, 1e-9)
    assert.near(0.030, report.latency.mean, 1e-9)
    opts.rules.fs.workers = 10
    assert.near(0.010, run(file, trace(lines), opts).latency.max, 1e-9)
  end)

  it("lets values queue for the link", function()
    local file = policy "redis { workers = 8 }"
    local report = run(file, write("v.csv", "time,key,op,size\n1,a,set,1000000\n"
      .. "2,a,get,1000000\n2,a,get,1000000\n"), { speed = "open",
      rules = { redis = { latency = 0.001, bandwidth = 1e8 } } })
    assert.near(0.021, report.latency.max, 1e-9)
  end)

  it("keeps as many requests in flight as there are clients", function()
    local lines = {}
    for i = 1, 40 do lines[i] = "1,k" .. i .. ",0" end
    local report = run(policy "fs { path = '/x', workers = 64 }", trace(lines),
      { speed = "closed", clients = 4, recorded = true,
        rules = { fs = { latency = 0.010 } } })
    assert.near(0.100, report.virtual_seconds, 1e-9)
    assert.near(0.010, report.latency.max, 1e-9)
  end)

  it("answers errors at the rate of the model, and counts them", function()
    local lines = {}
    for i = 1, 2000 do lines[i] = i .. ",k" .. i .. ",1" end
    local report = run(policy "fs { path = '/x' }", trace(lines), { recorded = true,
      rules = { fs = { errors = 0.25 } } })
    assert.is_true(report.errors > 400 and report.errors < 600, report.errors)
  end)

  -- Bytes that a run over n lines, with 100 keys, leaves to the collector.
  local function garbage(n)
    local lines = {}
    for i = 1, n do lines[i] = i .. ",k" .. i * 7 % 100 .. ",10" end
    local path = trace(lines)
    collectgarbage()
    collectgarbage "stop"
    local before = collectgarbage "count"
    run(policy "tier { memory {}, fs { path = '/none' }, promote = hits(2) }", path)
    local left = (collectgarbage "count" - before) * 1024
    collectgarbage "restart"
    return left
  end

  it("leaves little to the collector for a request of one key", function()
    garbage(100)
    local each = (garbage(6000) - garbage(1000)) / 5000
    assert.is_true(each < 300, each .. " bytes")
  end)

  it("says how many of the copies that were made above were read there", function()
    -- a and b are set below only, and copied up when they are found there; a is read
    -- above afterwards, b is not.
    local report = run(policy [[tier { memory {}, fs { path = "/x" },
      write = "around" }]], trace { "1,a,9", "2,b,9", "3,a,9", "4,b,9", "5,a,9" })
    local memory = report.stores[1]
    assert.same({ 2, 0.5 }, { memory.copies, memory.copies_read })
  end)

  it("counts nothing of a warm-up", function()
    local report = run(policy "memory {}", trace { "1,a,1", "2,b,1", "3,a,1", "4,b,1" },
      { warmup = 2 })
    assert.same({ 2, 2 }, { report.keys, report.hits })
    assert.equal(2, report.stores[1].ops.get.keys)
    assert.is_nil(report.stores[1].ops.set)
  end)

  it("gives a file its params", function()
    local file = policy "fs { path = '/x', capacity = param('capacity', '4KiB') }"
    local path = trace { "1,a,1", "2,b,1", "3,a,1" }
    assert.equal(0, run(file, path).hits)
    assert.equal(1, run(file, path, { params = { capacity = "8KiB" } }).hits)
  end)

  it("names who reads the wall clock or draws from math.random", function()
    local file = write("clock.lua", "local function odd() return os.time() "
      .. "+ math.random() end\n"
      .. "return memory {}:admit(function() odd() return true end)")
    local report = run(file, trace { "1,a,1" })
    assert.equal(2, #report.warnings)
    assert.matches("clock.lua:1: math.random: is not the host's chance",
      report.warnings[1], 1, true)
    assert.matches("clock.lua:1: os.time: reads the wall clock", report.warnings[2], 1,
      true)
  end)

  it("gives the same bytes of JSON each time", function()
    local lines, x = {}, 1
    for i = 1, 3000 do
      x = x * 16807 % 2147483647
      lines[i] = ("%g,k%d,%d"):format(i / 10, x % 400, x % 5000 + 1)
    end
    local file = policy [[tier {
      memory { capacity = '256KiB', shards = 4 },
      fs { path = '/x', capacity = '1MiB' }, redis {}, promote = prob(0.5) }
      :deadline(0.5):retry { 2 }]]
    local path = trace(lines)
    for _, speed in ipairs { "max", "open", "closed" } do
      local opts = { speed = speed, clients = 8, rules = { redis = { errors = 0.1 } } }
      local first = Json.encode(run(file, path, opts))
      assert.equal(first, Json.encode(run(file, path, opts)), speed)
      opts.seed = 2
      assert.are_not.equal(first, Json.encode(run(file, path, opts)), speed)
    end
  end)

  it("has the same hits each time in a sweep of memories, and those of a replay",
    function()
      local lines = {}
      for i = 1, 20000 do lines[i] = i .. ",k" .. i * i % 4001 .. ",4096" end
      local path = trace(lines)
      local function hits()
        local run_of = Plain.run({ { capacity = "4MiB" } }, { path }, {})[1]
        run_of.store:close()
        return run_of.hits
      end
      local first = hits()
      for _ = 1, 4 do assert.equal(first, hits()) end
      assert.equal(first, run("memory://?capacity=4MiB", path).hits)
    end)

  it("has the hits of a replay in a sweep of memories, whatever a request has",
    function()
      local sized, batches, x = {}, {}, 1
      local function random(n)
        x = x * 16807 % 2147483647
        return x % n
      end
      for i = 1, 5000 do
        sized[i] = ("%d,k%d,%d"):format(i, random(700), random(9000))
      end
      for i = 1, 600 do -- keys come again, and windows and batches end in between
        local ids = {}
        local n = i % 50 == 0 and 700 or 1 + random(20)
        for j = 1, n do ids[j] = random(900) end
        batches[i] = ('{"timestamp": %d, "hash_ids": [%s]}\n'):format(i,
          table.concat(ids, ", "))
      end
      for _, path in ipairs { trace(sized), write("t.jsonl", table.concat(batches)) } do
        for _, eviction in ipairs { "lru", "sieve", "s3fifo" } do
          local list, options = {}, "eviction=" .. eviction .. "&capacity="
          for i, capacity in ipairs { "64KiB", "1MiB", "32MiB" } do
            list[i] = { capacity = capacity, eviction = eviction }
          end
          for i, one in ipairs(Plain.run(list, { path }, { size = 4096 })) do
            local url = "memory://?" .. options .. list[i].capacity
            local report = run(url, path, { size = 4096 })
            assert.same({ report.keys, report.hits }, { one.keys, one.hits }, url)
            one.store:close()
          end
        end
      end
    end)

  it("fails with the names of those who wait when a policy deadlocks", function()
    local file = write("stuck.lua", [[
      local host = require "weir.host"
      return memory {}:tap(function() host.park(host.prepare()) end)]])
    for _, speed in ipairs { "max", "open", "closed" } do
      local opts = { speed = speed, clients = 2 }
      local ok, err = pcall(run, file, trace { "1,a,1" }, opts)
      assert.is_false(ok)
      assert.matches("deadlock: no task can run", err)
      assert.matches("waits for a wake%-up at [^\n]*stuck%.lua:2", err)
    end
  end)

  it("knows the floor of misses and Belady's bound", function()
    local path = trace { "1,a,1", "2,b,1", "3,c,1", "4,a,1", "5,b,1", "6,c,1", "7,a,1" }
    local bounds = Bounds.load({ path }, {})
    assert.same({ hits = 4, misses = 3, hit_ratio = 4 / 7 }, bounds:compulsory())
    assert.equal(4, bounds:min(3))
    -- With room for two: a, then b or c once each: a at 4 and 7, and one more.
    assert.equal(3, bounds:min(2))
    assert.equal(2, bounds:min(1))
    assert.is_true(bounds:pfoo(2) >= bounds:min(2))
    assert.equal(4, bounds:pfoo(3))
  end)

  it("finds with Belady's MIN what trying all choices finds", function()
    -- All ways to keep or drop, by search over the set that is kept.
    local function best(keys, room)
      local states = { [""] = 0 }
      for _, key in ipairs(keys) do
        local next_states = {}
        for state, hits in pairs(states) do
          local held = {}
          for k in state:gmatch "%a" do held[#held + 1] = k end
          local hit = state:find(key, 1, true) and 1 or 0
          local all = hit == 1 and held or { key, unpack(held) }
          for drop = 0, #all do
            local kept = {}
            for i, k in ipairs(all) do if i ~= drop then kept[#kept + 1] = k end end
            table.sort(kept)
            if #kept <= room then
              local name = table.concat(kept)
              next_states[name] = math.max(next_states[name] or 0, hits + hit)
            end
          end
        end
        states = next_states
      end
      local most = 0
      for _, hits in pairs(states) do most = math.max(most, hits) end
      return most
    end
    local x = 7
    for _ = 1, 30 do
      local keys, lines = {}, {}
      for i = 1, 14 do
        x = x * 16807 % 2147483647
        keys[i] = ("abcdef"):sub(x % 6 + 1, x % 6 + 1)
        lines[i] = i .. "," .. keys[i] .. ",1"
      end
      local bounds = Bounds.load({ trace(lines) }, {})
      for room = 1, 3 do assert.equal(best(keys, room), bounds:min(room)) end
    end
  end)
end)
