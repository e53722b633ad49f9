-- Words over a store that processes share. Each tree here has a store of its own over
-- one mapping, as a process would, and they share the other stores.
local fake = require "fake"
local redis_server = require "redis_server"
local shell = require "shell"
local script = require "fake.store"
local weir = require "weir"


local WEIR = (os.getenv "WEIR_BUILD" or "build") .. "/weir"
local SOAK = os.getenv "WEIR_SOAK"
local SECONDS = SOAK and 60 or 2


local function gauges(store) return store:stats().gauges end


describe("over a shared store", function()
  local folder, opened, made

  before_each(function() folder, opened, made = shell.ram_folder(), {}, 0 end)
  after_each(function()
    fake.leave()
    for _, store in ipairs(opened) do store:close() end
    shell.remove(folder)
  end)

  local function open(path)
    local store = weir.shm { path = path, capacity = "128KiB" }
    opened[#opened + 1] = store
    return store
  end

  -- Stores of n processes over a new mapping. Those of the run before are closed.
  local function processes(n)
    for _, store in ipairs(opened) do store:close() end
    opened, made = {}, made + 1
    os.remove(folder .. "/" .. made - 1)
    local list = {}
    for i = 1, n do list[i] = open(folder .. "/" .. made) end
    return list
  end

  -- Every order of what two processes do to one key, another one in each run.
  -- make(top, middle, far) returns a process's tree. In the end the copies are what the
  -- last store has.
  local key
  local function race(first, second, make)
    local tops, run = processes(2), 0
    local runs = fake.orders(function(host)
      run = run + 1
      key = "k" .. run
      local middle, far = script.store(host, "middle"),
        script.store(host, "far", { data = { [key] = "v0" } })
      local trees = {}
      for i, top in ipairs(tops) do trees[i] = make(top, middle, far) end
      host:main(function()
        host.spawn(first, trees[1])
        second(trees[2])
      end)
      local last = far.data[key]
      for _, copy in ipairs { tops[1]:get_string(key) or false, middle.data[key] } do
        assert(not copy or copy == last,
          ("a copy is %s, the last store has %s"):format(copy, tostring(last)))
      end
    end)
    return runs
  end

  local function get(tree) tree:get(key) end
  local function set(value)
    return function(tree) assert(tree:set(key, value)) end
  end
  local function delete(tree) assert(tree:delete(key) ~= nil) end
  local function touch(tree) assert(tree:touch(key, 60) ~= nil) end

  local RACES = {
    ["a set beats a refill"] = { get, set "v1" },
    ["a delete beats a refill"] = { get, delete },
    ["a set and a delete agree"] = { set "v1", delete },
    ["two sets agree"] = { set "v1", set "v2" },
    ["a touch and a refill agree"] = { get, touch },
  }

  local function two(top, _, far) return weir.tier { top, far } end
  local function three(top, middle, far) return weir.tier { top, middle, far } end
  local function mirror(top, _, far) return weir.mirror { top, far, repair = true } end
  local function fastest(top, _, far)
    return weir.mirror { far, top, repair = true, read = "fastest" }
  end

  for what, both in pairs(RACES) do
    it("a tier of another process: " .. what, function()
      assert.is_true(race(both[1], both[2], two) > 10)
    end)

    -- Writes wait for each other there: each may come first.
    it("a tier of another process, with a middle store: " .. what, function()
      assert.is_true(race(both[1], both[2], three) + race(both[2], both[1], three) >= 2)
    end)

    it("a mirror of another process: " .. what, function()
      assert.is_true(race(both[1], both[2], mirror) > 2)
      if SOAK then assert.is_true(race(both[2], both[1], fastest) > 2) end
    end)
  end

  it("counts the copies that a write in another process made old", function()
    local host = fake.host()
    local tops, far = processes(2), script.store(host, "far", { data = { k = "v0" } })
    local a, b = weir.tier { tops[1], far }, weir.tier { tops[2], far }
    key = "k"
    host:main(function()
      host:hold "far.get.reply"
      host.spawn(get, a)
      assert(b:set("k", "v1"))
      host:release "far.get.reply"
      host.sleep(1)
      assert.equal("v1", a:get_string "k")
    end)
    assert.equal(1, gauges(tops[2]).copies_dropped)
    assert.equal(1, a:tally().promotions.superseded)
  end)

  it("serves a copy that one process made to the others", function()
    local host = fake.host()
    local tops, far = processes(2), script.store(host, "far", { data = { k = "v0" } })
    local a, b = weir.tier { tops[1], far }, weir.tier { tops[2], far }
    host:main(function()
      assert.equal("v0", a:get_string "k")
      host.sleep(1)
      assert.equal("v0", b:get_string "k")
      assert(b:set("k", "v1"))
      assert.equal("v1", a:get_string "k")
      assert(a:set_many({ "x", "y", "z" }, { "1", "2", "3" }):all "ok")
      assert.equal("2", b:get_string "y")
      assert.is_true(b:delete "k")
      assert.is_nil(a:get "k")
    end)
    local gets = 0
    for _, call in ipairs(far.log) do gets = gets + (call:find "^get" and 1 or 0) end
    assert.equal(2, gets)
  end)

  it("ends what another process remembers as absent", function()
    local host = fake.host()
    local tops, far = processes(2), script.store(host, "far")
    local a = weir.tier { tops[1], far }:negative { ttl = 60 }
    local b = weir.tier { tops[2], far }
    host:main(function()
      assert.is_nil(a:get "k")
      assert.is_nil(a:get "k")
      assert.equal(1, a:tally().hits)
      assert(b:set("k", "v1"))
      assert.equal("v1", a:get_string "k")
    end)
  end)

  it("lets no reader join a read from before another process's write", function()
    local host = fake.host()
    local tops = processes(2)
    local far = script.store(host, "far", { data = { k = "v0" } })
    local a = weir.tier { tops[1], far }:coalesce()
    local b = weir.tier { tops[2], far }
    key = "k"
    host:main(function()
      host:hold "far.get.reply"
      host.spawn(get, a)
      assert(b:set("k", "v1"))
      host:release "far.get.reply"
      assert.equal("v1", a:get_string "k")
    end)
    assert.equal(0, a:tally().joined)
  end)
end)


-- Four processes use one tree. Every 0.15 s one of them is killed with SIGKILL and
-- another one takes its place.
local DRIVER = [[
  seed=0 at=0
  start() { seed=$((seed + 1)); WEIR run spec/policy/guarded_worker.lua FOLDER FAR \
    $1 4 $((end - $(date +%s))) $seed WORD BREAK & eval pid$1=$!; }
  end=$(($(date +%s) + SECONDS + 1))
  for i in 0 1 2 3; do start $i; done
  while [ $(date +%s) -lt $((end - 1)) ]; do
    sleep 0.15
    eval victim=\$pid$at
    kill -9 $victim; wait $victim
    start $at
    at=$(((at + 3) % 4))
  done
  wait
]]


describe("processes that are killed", function()
  local folder, server
  before_each(function() folder = shell.ram_folder() end)
  after_each(function()
    if server then server:close() end
    server = nil
    shell.remove(folder)
  end)

  -- Returns the lines about wrong reads, how many processes came to their end, and what
  -- the mapping has counted.
  local function run(target, seconds, word, how)
    shell.write(folder .. "/newest", ("\0"):rep(4096))
    local store = weir.shm { path = folder .. "/shm", capacity = "1MiB" }
    local names = { WEIR = WEIR, FOLDER = folder, FAR = shell.quote(target),
      SECONDS = tostring(seconds), WORD = word, BREAK = how or "" }
    shell.run(DRIVER:gsub("%u%u%u+", names), "", seconds + 60)
    local wrong, ended = {}, 0
    for line in io.lines(folder .. "/log") do
      if line:find "^WRONG" then wrong[#wrong + 1] = line else ended = ended + 1 end
    end
    local counts = gauges(store)
    store:close()
    return wrong, ended, counts
  end

  local function holds(target, word)
    local wrong, ended, counts = run(target, SECONDS, word)
    assert.same({}, wrong)
    assert.is_true(ended >= 4)
    assert.is_true(counts.copies_dropped + counts.writers_died > 0)
  end

  it("leave no old value over redis", function()
    server = redis_server.start()
    holds(server.url, "tier")
  end)

  it("leave no old value over files", function()
    holds("fs://" .. folder .. "/far", "tier")
  end)

  it("leave no old value in a mirror with redis", function()
    server = redis_server.start()
    holds(server.url, "mirror")
  end)

  it("leave no old value that they refreshed", function()
    server = redis_server.start()
    holds(server.url, "ttl")
  end)

  for _, word in ipairs(SOAK and { "tier", "mirror", "ttl" } or { "tier" }) do
    it("would leave old values without the guard: " .. word, function()
      server = redis_server.start()
      local wrong, tries = {}, 0
      while #wrong == 0 and tries < 10 do
        wrong, tries = run(server.url, 2, word, "break"), tries + 1
      end
      assert.is_true(#wrong > 0)
    end)
  end
end)
