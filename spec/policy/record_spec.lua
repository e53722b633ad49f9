-- record and ghost: off the path of a request, bounded, and true.

local Run = require "weir.replay.run"
local Source = require "weir.replay.source"
local Virtual = require "weir.host.virtual"
local shell = require "shell"
local weir = require "weir"


-- A generator of keys, some far more popular than others.
local function keys_of(seed)
  local random = Virtual.generator(seed)
  return function() return "k/" .. math.floor(random() ^ 3 * 300) end
end


-- What an application does: reads a batch of some width, and sets what was not there.
local function traffic(store, batches, width)
  local next_key, hits = keys_of(5), 0
  for i = 1, batches do
    local keys, missing, values, seen = {}, {}, {}, {}
    repeat
      local key = next_key()
      if not seen[key] then keys[#keys + 1], seen[key] = key, true end
    until #keys == width
    local reply = store:get_many(keys)
    for j = 1, width do
      if reply[j] == "ok" then
        hits = hits + 1
      else
        missing[#missing + 1] = keys[j]
        values[#values + 1] = ("x"):rep(300 + #keys[j])
      end
    end
    if #missing > 0 then store:set_many(missing, values) end
    if i % 50 == 0 then weir.sleep(0.001) end
  end
  return hits
end


describe("record", function()
  local folder

  setup(function() folder = shell.folder() end)
  teardown(function() shell.remove(folder) end)

  it("writes live traffic that replays to the same counts", function()
    local path = folder .. "/live.rec"
    local text = [[return tier {
      memory { capacity_items = 150, eviction = "lru", shards = 1 },
      fs { path = "%s", capacity = "1MiB", workers = 1 }, promote = never }]]
    shell.write(folder .. "/kv.lua", text:format(folder .. "/disk"))
    local hits, found = nil, {}
    weir.run(function()
      local tree = weir.load(folder .. "/kv.lua")
      local store = tree:record { path = path }
      hits = traffic(store, 800, 8)
      for _, entry in pairs(tree:stats()) do
        if entry.word == "tier" then found = entry.hits end
      end
      assert(store:close())
    end)
    local report = Run.simulate(folder .. "/kv.lua", { path }, {})
    assert.equal("weir", report.format)
    assert.equal("recorded", report.requests_mode)
    assert.equal(6400, report.keys)
    assert.equal(hits, report.hits)
    assert.is_true(found[2] > 100)
    assert.same(found, { report.levels[1].hits, report.levels[2].hits })
  end)

  it("keeps op, key, size, time to live, status, level and batch", function()
    local path = folder .. "/all.rec"
    weir.run(function()
      local store = weir.tier { weir.memory {}, weir.memory {} }:record { path = path }
      store:set("a b,%", "12345", { ttl = 60 })
      store:get_many { "a b,%", "none" }
      store:delete "a b,%"
      weir.sleep(0.2)
      assert.equal(4, store:tally().recorded)
      store:close()
    end)
    local source, list = Source.open({ path }, {}), {}
    for request in function() return source:next() end do list[#list + 1] = request end
    assert.same({ "set", "get", "delete" }, { list[1].op, list[2].op, list[3].op })
    assert.same({ "a b,%" }, list[1].keys)
    assert.same({ 5 }, list[1].sizes)
    assert.same({ 60 }, list[1].ttls)
    assert.same({ "ok", "miss" }, list[2].statuses)
    assert.same({ 5, false }, list[2].sizes)
  end)

  it("writes hashes where keys are secret", function()
    local path = folder .. "/hash.rec"
    weir.run(function()
      local store = weir.memory {}:record { path = path, hash = true }
      store:set("secret", "1")
      store:close()
    end)
    local file = assert(io.open(path))
    local text = file:read "*a"
    file:close()
    assert.is_nil(text:find("secret", 1, true))
    assert.matches("set,%x%x%x%x%x%x%x%x%x%x%x%x%x%x%x%x,1,", text)
  end)

  it("begins a new file when one is full, and keeps as many as it may", function()
    local path = folder .. "/turn.rec"
    weir.run(function()
      local store = weir.memory {}:record { path = path, size = 4096, files = 3 }
      for i = 1, 2000 do store:get("key/" .. i) end
      store:close()
    end)
    for _, name in ipairs { path, path .. ".1", path .. ".2" } do
      local file = assert(io.open(name))
      assert.is_true(file:seek "end" <= 4096)
      file:close()
      assert.equal("weir", Source.open({ name }, {}).found.name)
    end
    assert.is_nil(io.open(path .. ".3"))
  end)

  it("counts what its file does not take, and goes on when it does again", function()
    local path = folder .. "/full.rec"
    shell.run("ln -s /dev/full " .. path)
    weir.run(function()
      local store = weir.memory {}:record { path = path, size = "4KiB", files = 2 }
      local asked = 0
      local function counts()
        for i = 1, 1500 do store:get("k" .. i) end
        asked = asked + 1500
        local by, facts = weir.now() + 20
        repeat
          weir.sleep(0.05)
          facts = store:stats().record
        until facts.recorded + facts.failed == asked or weir.now() > by
        return { facts.recorded, facts.failed }
      end
      assert.same({ 0, 1500 }, counts())
      shell.run("rm " .. path)
      assert.same({ 1500, 1500 }, counts())
      store:close()
    end)
    local source, n = Source.open { path }, 0
    for request in function() return source:next() end do n = n + request.n end
    assert.is_true(n > 10 and n < 100, n)
  end)

  it("writes whole lines around one that was torn", function()
    local script = folder .. "/torn.lua"
    shell.write(script, ([[
      local store = weir.memory {}:record { path = "%s/torn.rec" }
      local asked = 0
      local function ask(n)
        for i = 1, n do store:get("k" .. i) end
        asked = asked + n
        local by, facts = weir.now() + 20, nil
        repeat
          weir.sleep(0.05)
          facts = store:stats().record
        until facts.recorded + facts.failed == asked or weir.now() > by
      end
      ask(20) ask(2000)
      os.execute("prlimit --fsize=unlimited --pid $PPID")
      ask(20)
      local facts = store:stats().record
      print(facts.recorded, facts.failed)]]):format(folder))
    local build = os.getenv "WEIR_BUILD" or "build"
    local _, out, err = shell.run(("sh -c 'trap \"\" XFSZ; ulimit -S -f 8; "
      .. "exec %s/weir run %s'"):format(build, script))
    local recorded, failed = out:match "^(%d+)\t(%d+)\n$"
    assert.equal(2040, recorded + failed, out .. err)
    assert.is_true(tonumber(failed) > 900)
    local source, n = Source.open({ folder .. "/torn.rec" }, { skip_bad = true }), 0
    for request in function() return source:next() end do n = n + request.n end
    assert.is_true(n >= tonumber(recorded), n .. " of " .. recorded)
    source:close()
  end)

  it("drops and counts what finds no room, and delays nothing", function()
    weir.run(function()
      local store = weir.memory {}:record { path = folder .. "/drop.rec", queue = 64 }
      for i = 1, 100 do store:get("k" .. i) end
      assert.equal(36, store:tally().dropped)
      assert.equal(64, store:tally().waiting)
      weir.sleep(0.2)
      assert.equal(64, store:tally().recorded)
      store:close()
    end)
  end)

  it("says why it cannot write, at the line that used it", function()
    assert.error_matches(function()
      weir.memory {}:record { path = folder .. "/no/such.rec" }
    end, "record: .*No such file or directory")
  end)
end)


describe("ghost", function()
  local folder

  setup(function() folder = shell.folder() end)
  teardown(function() shell.remove(folder) end)

  local function candidate(text)
    shell.write(folder .. "/candidate.lua", "return " .. text)
    return folder .. "/candidate.lua"
  end

  it("counts what the candidate would have done, as it does when it serves", function()
    local text = "memory { capacity_items = 150, eviction = 'lru', shards = 1 }"
    local file = candidate(text)
    weir.run(function()
      local big = weir.memory {}:ghost(file)
      traffic(big, 3200, 1)
      weir.sleep(0.3)
      local facts = big:tally()
      local small = weir.load(file)
      local hits = traffic(small, 3200, 1)
      assert.equal(3200, facts.gets)
      assert.equal(hits, facts.hits)
      assert.is_true(facts.main_hits > facts.hits)
      assert.same({ 0, 0 }, { facts.dropped, facts.failures })
      small:close()
      big:close()
    end)
  end)

  it("tells how many writes of a level would be saved", function()
    local tree = "tier { memory { capacity = '64KiB' }, fs { path = '%s' }, "
      .. "promote = %s }"
    local file = candidate(tree:format("/never/made", "hits(2)"):gsub("fs {",
      "fs { create = true,"))
    weir.run(function()
      local store = weir.memory {}:ghost(file)
      traffic(store, 100, 8)
      weir.sleep(0.3)
      local facts = store:tally().stores
      assert.is_true(facts.fs.written > 0 and facts.memory.written > 0)
      assert.is_nil(io.open "/never/made")
      store:close()
    end)
  end)

  it("never fails the reply when the candidate does", function()
    local file = candidate "memory {}:admit(function() error 'no' end)"
    weir.run(function()
      local store = weir.memory {}:ghost(file)
      assert(store:set("a", "1"))
      assert.equal("1", tostring(store:get "a"))
      weir.sleep(0.2)
      assert.is_true(store:tally().failures > 0)
      assert.matches("no", store:tally().last_failure)
      store:close()
    end)
  end)

  it("drops and counts what it is not shown in time", function()
    local file = candidate "memory {}"
    weir.run(function()
      local store = weir.memory {}:ghost { file, queue = 64 }
      for i = 1, 100 do store:get("k" .. i) end
      assert.equal(36, store:tally().dropped)
      store:close()
    end)
  end)

  it("bounds the keys that a store without a capacity knows", function()
    local file = candidate "redis {}"
    weir.run(function()
      local store = weir.memory {}:ghost { file, keys = 100 }
      for i = 1, 500 do store:set("k" .. i, "v") end
      weir.sleep(0.3)
      assert.equal(500, store:tally().stores.redis.sets)
      assert.equal(100, store.world.stores[1].store:stats().gauges.items)
      store:close()
    end)
  end)

  it("says what is wrong with the candidate when the tree is built", function()
    assert.error_matches(function() weir.memory {}:ghost(candidate "memry {}") end,
      'no word "memry"; did you mean "memory"?', 1, true)
  end)
end)
