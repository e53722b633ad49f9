-- tier { coherent = true }: what others change in the authority leaves the upper tiers,
-- in every order of write, push, read and refill; nothing old is served without sight.
local Store = require "weir.core.store"
local fake = require "fake"
local script = require "fake.store"
local shell = require "shell"
local weir = require "weir"


-- Long enumerations only run in `make soak`.
local SOAK = os.getenv "WEIR_SOAK"


-- An authority that tells of every change, its own writes included, as Redis does: a
-- while later, in order. `told`: the number of the last value that was told of.
local function authority(host)
  local values, pushes = {}, {}
  local far = script.store(host, "far", { tells = true })
  far.history, far.told, far.number = {}, 0, 0
  local function push()
    host:await "push"
    local number = table.remove(pushes, 1)
    far:tell("changed", { "k" })
    far.told = number
  end
  function far.put(value)
    values.k, far.number, far.told = value, 1, 1
    far.history[1] = value
  end
  far.data = setmetatable({}, {
    __index = values,
    __newindex = function(_, key, value)
      values[key] = value
      far.number = far.number + 1
      far.history[far.number] = value or "nothing"
      pushes[#pushes + 1] = far.number
      host.spawn(push)
    end,
  })
  return far
end


-- Reads k and checks that the value is not older than what was told of, or what was
-- acknowledged here, before the read began.
local function read(far, tree)
  local least = math.max(far.told, far.acknowledged or 0)
  local value = tree:get "k"
  local found = value and tostring(value) or "nothing"
  for number = least, far.number do
    local value_then = number == 0 and "nothing" or far.history[number]
    if value_then == found then return end
  end
  error(("read %s, which is older than value %d"):format(found, least), 0)
end


local function set(far, tree, value)
  assert(tree:set("k", value))
  for number, other in ipairs(far.history) do
    if other == value then far.acknowledged = number end
  end
end


-- Runs tasks over a tier in every order; the last task begins. upper(host): makes its
-- upper tiers.
local function in_every_order(upper, tasks, wrap)
  return fake.orders(function(host)
    local far = authority(host)
    local stores = upper(host)
    stores[#stores + 1], stores.coherent = wrap and wrap(far) or far, true
    local tree = weir.tier(stores)
    host.interleave = false
    far:tell "regained"
    host:main(function() tree:get "k" end)
    far.put "first"
    host.interleave = true
    host:main(function()
      for i = 1, #tasks - 1 do
        host.spawn(function()
          host:await "start"
          tasks[i](far, tree, host)
        end)
      end
      tasks[#tasks](far, tree, host)
    end)
    host.interleave = false
    host:main(function()
      far.acknowledged = far.number
      read(far, tree)
      read(far, tree)
    end)
  end)
end


-- An upper tier that answers in place: its awaits let nobody run.
local function in_place(host)
  local still = setmetatable({ await = function() end }, { __index = host })
  return { script.store(still, "top", { immediate = true }) }
end


local function waited_for(host)
  return { script.store(host, "top") }
end


-- The tasks of a race.
local function reads(far, tree) read(far, tree) end

local function reads_twice(far, tree)
  read(far, tree)
  read(far, tree)
end

local function changes(far) far.data.k = "theirs" end

local function changes_twice(far, _, host)
  far.data.k = "theirs"
  host:await "pause"
  far.data.k = "theirs again"
end

local function deletes(far) far.data.k = nil end
local function writes(far, tree) set(far, tree, "ours") end

local function loses(far, _, host)
  far:tell "lost"
  far.data.k = "unseen"
  host:await "pause"
  far:tell "regained"
end

local RACES = {
  ["a read and a change"] = { changes, reads },
  ["a read and a delete"] = { deletes, reads },
  ["a write and a change"] = { changes, writes },
}


describe("a coherent tier", function()
  after_each(fake.leave)

  for name, tasks in pairs(RACES) do
    it("serves nothing old in any order of " .. name, function()
      assert.is_true(in_every_order(in_place, tasks) >= 5)
      assert.is_true(in_every_order(waited_for, tasks) >= 20)
    end)
  end

  it("serves nothing old in any order of more of them", function()
    in_every_order(in_place, { changes_twice, reads })
    if not SOAK then return end
    in_every_order(in_place, { changes, writes, reads })
    in_every_order(in_place, { loses, reads_twice })
    in_every_order(in_place, { reads, changes, reads },
      function(far) return far:coalesce() end)
    in_every_order(in_place, { changes_twice, reads_twice })
    in_every_order(in_place, { writes, changes_twice, reads })
    in_every_order(waited_for, { changes, reads_twice })
    in_every_order(waited_for, { changes_twice, reads })
  end)

  it("serves nothing old where sight is lost and regained meanwhile", function()
    in_every_order(in_place, { loses, reads })
    in_every_order(waited_for, { loses, reads })
  end)

  -- ---- what it does, step by step ----

  local host, top, far

  local function build(options)
    host = fake.host()
    top, far = script.store(host, "top"), script.store(host, "far", { tells = true })
    far.data.k = "1"
    options = options or {}
    options[1], options[2] = top, far
    options.coherent = options.coherent == nil and true or options.coherent
    return weir.tier(options)
  end

  it("begins without sight, and empties what it finds above", function()
    local tree = build()
    top.data.k, top.data.other = "old", "old"
    host:main(function()
      assert.equal("1", tree:get_string "k")
      assert.same({}, top.log)
      far:tell "regained"
      assert.equal("1", tree:get_string "k")
    end)
    assert.is_nil(top.data.other)
    assert.not_equal("old", top.data.k)
    local stats = tree:tally()
    assert.equal(1, stats.sight)
    assert.is_true(stats.withheld >= 1)
  end)

  it("lets changed keys go, and counts them", function()
    local tree = build()
    far:tell "regained"
    host:main(function()
      tree:get "k"
      tree:get "k"
      assert.equal("1", top.data.k)
      far.data.k = "2"
      far:tell("changed", { "k", "x" })
      assert.equal("2", tree:get_string "k")
    end)
    assert.equal(2, tree:tally().invalidations)
  end)

  it("asks no upper tier while sight is lost, and counts the time", function()
    local tree = build()
    far:tell "regained"
    host:main(function()
      tree:get "k"
      tree:get "k"
      far:tell("lost", "no answer to PING")
      far.data.k = "2"
      local before = #top.log
      assert.equal("2", tree:get_string "k")
      assert.equal(before, #top.log)
      host.sleep(3)
      assert.matches("sight of the last store is lost: no answer to PING",
        tostring(tree:explain("get", "k")))
      far.down = "unavailable"
      local value, err = tree:get "k"
      assert.is_nil(value)
      assert.equal("unavailable", err.code)
      far.down = nil
      far:tell "regained"
    end)
    local stats = tree:tally()
    assert.equal(1, stats.sight_losses)
    assert.near(3, stats.sight_lost, 0.01)
  end)

  it("with \"stale\" serves copies while sight is lost, marked", function()
    local tree = build { coherent = "stale" }
    far:tell "regained"
    host:main(function()
      tree:get "k"
      local fresh = tree:get_many { "k" }
      assert.equal(1, fresh:level(1))
      assert.is_nil(fresh.stale and fresh.stale[1])
      far:tell "lost"
      far.down = "unavailable"
      local reply = tree:get_many { "k" }
      assert.equal("1", reply:string(1))
      assert.is_true(reply.stale[1])
    end)
  end)

  it("drops a refill that a change overtook, and counts it", function()
    local tree = build()
    far:tell "regained"
    host:main(function()
      host:hold "top.set.reply"
      tree:get "k"
      host.sleep(0)
      assert.equal(1, host:holding "top.set.reply")
      far.data.k = "2"
      far:tell("changed", { "k" })
      host:release "top.set.reply"
      host.sleep(0.1)
      assert.is_nil(top.data.k)
      assert.equal("2", tree:get_string "k")
    end)
    assert.equal(1, tree:tally().promotions.changed)
  end)

  it("takes back its own write that a change overtook", function()
    local tree = build()
    far:tell "regained"
    host:main(function()
      tree:get "k"
      host:hold "top.set.reply"
      local mine = host.spawn(function() assert(tree:set("k", "ours")) end)
      far.data.k = "theirs"
      far:tell("changed", { "k" })
      host:hold "top.delete"
      host:release "top.set.reply"
      host.sleep(0)
      assert.equal("ours", top.data.k)
      assert.equal("theirs", tree:get_string "k")
      host:release "top.delete"
      host.join(mine)
      assert.equal("theirs", tree:get_string "k")
      assert.not_equal("ours", top.data.k)
    end)
  end)

  it("writes down no old value that is evicted while sight is lost", function()
    host = fake.host()
    local disk = script.store(host, "disk")
    far = script.store(host, "far", { tells = true })
    local ram = weir.memory { capacity = "64KiB", shards = 1 }
    local tree = weir.tier { ram, disk, far, coherent = true, demote = weir.always,
      promote = weir.never }
    far:tell "regained"
    host:main(function()
      tree:get "k"
      for i = 1, 6 do ram:set("k" .. i, ("o"):rep(8000)) end
      far:tell "lost"
      far:tell "regained"
      host:hold "disk.exists"
      for i = 1, 12 do tree:set("new" .. i, ("n"):rep(8000)) end
      tree:get "k"
      host:release "disk.exists"
      host.sleep(1)
      for i = 1, 6 do
        assert.is_nil(disk.data["k" .. i])
        assert.is_nil(tree:get("k" .. i))
      end
    end)
  end)

  it("drops a refill that was read before sight was regained", function()
    local tree = build()
    far:tell "regained"
    host:main(function()
      host:hold "far.get.reply"
      local first = host.spawn(function() tree:get "k" end)
      far:tell "lost"
      far.data.k = "2"
      far:tell "regained"
      host.spawn(function() tree:get "other" end) -- empties the upper tier
      host.sleep(0)
      host:release "far.get.reply"
      host.join(first)
      host.sleep(0.1)
      assert.is_nil(top.data.k)
      assert.equal("2", tree:get_string "k")
    end)
  end)

  it("counts it as a loss of sight when there is no room for suspect keys", function()
    local tree = build { old_copies = 2 }
    far:tell "regained"
    host:main(function()
      tree:get "k"
      top.down = "timeout"
      far:tell("changed", { "a", "b", "k" })
      top.down = nil
      assert.equal("1", tree:get_string "k")
    end)
    assert.equal(1, tree:tally().sight_losses)
    assert.is_true(tree:tally().sight == 1)
  end)

  it("lists the keys of the authority", function()
    local tree = build()
    top.data.gone = "1"
    host:main(function()
      local keys = {}
      for key in tree:scan() do keys[#keys + 1] = key end
      assert.same({ "k" }, keys)
    end)
  end)

  it("refuses a last store that cannot tell, by name", function()
    fake.host()
    for store, expected in pairs {
      [weir.memory {}] = "coherent needs a last store that tells of changes: memory: ",
      [weir.redis {}] = "redis 127.0.0.1:6379: tells of no changes: set tracking",
      [weir.redis {}:timeout(1):retry { 2 }] = "set tracking=true",
      [weir.tier { weir.null {}, weir.redis { tracking = true } }] =
        "tier: cannot tell of changes: set coherent = true there, too",
    } do
      assert.error_matches(function()
        weir.tier { weir.memory {}, store, coherent = true }
      end, expected, 1, true)
    end
    assert.error_matches(function() weir.tier { weir.null {}, weir.null {},
      coherent = "stall" } end, 'coherent is true, false or "stale", not "stall"; '
      .. 'did you mean "stale"?', 1, true)
  end)

  it("runs in a replay, where nobody else writes", function()
    local folder = shell.folder()
    shell.write(folder .. "/kv.lua", [[return tier { memory { capacity = "1MiB" },
      fs { path = "/tmp/none", capacity = "10MiB" }, redis { tracking = true },
      coherent = true }:negative():coalesce()]])
    shell.write(folder .. "/trace.csv", "time,key,op,size\n0,a,get,100\n1,a,get,100\n")
    local code, out = shell.run(("build/weir replay --json --requests get-or-set "
      .. "%s/kv.lua %s/trace.csv"):format(folder, folder))
    shell.remove(folder)
    assert.equal(0, code, out)
    assert.matches('"hits":%[1,0,0%]', out)
  end)

  it("keeps its copies at a reload", function()
    host = fake.host()
    far = script.store(host, "far", { tells = true, data = { k = "1" } })
    local ram, limit = weir.memory {}, 1
    local handle = weir.load(function()
      limit = limit + 1
      return weir.tier { ram, far, coherent = true, promote_queue = limit }
    end)
    far:tell "regained"
    host:main(function()
      handle:get "k"
      handle:get "k"
      assert.is_true(handle:reload())
      local asked = far:count "get"
      assert.equal("1", handle:get_string "k")
      assert.equal(asked, far:count "get")
      far.data.k = "2"
      far:tell("changed", { "k" })
      assert.equal("2", handle:get_string "k")
      assert.is_true(handle:undo())
      handle:get "k"
      far.data.k = "3"
      far:tell("changed", { "k" })
      assert.equal("3", handle:get_string "k")
    end)
  end)
end)


describe("events", function()
  local host, far, heard

  before_each(function()
    host = fake.host()
    far, heard = script.store(host, "far", { tells = true }), {}
  end)
  after_each(fake.leave)

  local listener = {
    hear = function(_, event, what)
      local keys = event == "changed" and " " .. table.concat(what, ",") or ""
      heard[#heard + 1] = event .. keys
    end,
  }

  it("come through words over one store", function()
    local tree = far:timeout(1):breaker {}:retry { 2 }:meter "m":prefix "a/"
    assert.is_true(tree:listen(listener))
    far:tell "regained"
    far:tell("changed", { "a/x", "b/x", "a/" })
    far:tell("changed", { "b/x" })
    far:tell "lost"
    assert.same({ "regained", "changed x", "lost" }, heard)
  end)

  it("come through words over several, which see when all see", function()
    local other = script.store(host, "other", { tells = true })
    far:tell "regained"
    local tree = weir.shard { far, other }
    assert.is_true(tree:listen(listener))
    far:tell("changed", { "x" })
    other:tell "regained"
    far:tell("changed", { "x" })
    other:tell("changed", { "y" })
    far:tell "lost"
    other:tell("changed", { "y" })
    far:tell "regained"
    assert.same({ "regained", "changed x", "changed y", "lost", "regained" }, heard)
    assert.is_nil((weir.shard { far, weir.null {} }:listen(listener)))
  end)

  it("reach all listeners, although one raises an error", function()
    local broken = weir.policy { immediate = true, run = function()
      error("a mistake", 0)
    end }
    local tree = weir.tier { broken, far, coherent = true }
    assert.is_true(far:listen(listener))
    far:tell "regained"
    assert.error_matches(function() far:tell("changed", { "x" }) end, "a mistake")
    assert.same({ "regained", "changed x" }, heard)
    assert.equal(2, #tree.children)
  end)

  it("are told at once to a listener that comes late", function()
    far:tell "regained"
    local tree = far:timeout(1)
    tree:listen(listener)
    tree:listen(listener)
    far:tell("changed", { "x" })
    assert.same({ "regained", "changed x" }, heard)
  end)

  it("do not keep a tree that nobody uses", function()
    local gone = setmetatable({}, { __mode = "k" })
    for _ = 1, 100 do
      local tree = weir.tier { weir.memory {}, far:timeout(1), coherent = true }
      gone[tree] = true
    end
    collectgarbage()
    collectgarbage()
    assert.is_nil(next(gone))
    far:listen(listener)
    assert.is_true(far.listeners.n <= 2)
  end)

  it("end what negative remembers", function()
    local tree = far:negative { ttl = 100 }
    host:main(function()
      assert.is_nil(tree:get "k")
      assert.is_nil(tree:get "k")
      assert.equal(2, far:count "get") -- without sight it remembers nothing
      far:tell "regained"
      tree:get "k"
      tree:get "k"
      assert.equal(3, far:count "get")
      far.data.k = "1"
      far:tell("changed", { "k" })
      assert.equal("1", tree:get_string "k")
      tree:get "x"
      far:tell "lost"
      far.data.x = "1"
      assert.equal("1", tree:get_string "x")
    end)
  end)

  it("end the reads that others may join", function()
    local tree = weir.tier { weir.memory {}, far:coalesce(), coherent = true }
    far:tell "regained"
    far.data.k = "1"
    host:main(function()
      tree:get "x"
      host:hold "far.get.reply"
      local first = host.spawn(function() return tree:get_string "k" end)
      far.data.k = "2"
      far:tell("changed", { "k" })
      local second = host.spawn(function() return tree:get_string "k" end)
      host:release "far.get.reply"
      assert.same({ true, "1" }, { host.join(first) })
      assert.same({ true, "2" }, { host.join(second) })
      host.sleep(1)
      assert.equal("2", tree:get_string "k")
    end)
  end)

  it("keep a refresh of ttl from storing an old value", function()
    local tree
    tree = far:ttl(1, { stale = 10, refresh = function()
      host.sleep(1)
      return "ours"
    end })
    far:tell "regained"
    host:main(function()
      tree:set("k", "1")
      host.sleep(2)
      tree:get "k"
      far.data.k = "theirs"
      far:tell("changed", { "k" })
      host.sleep(2)
      assert.equal("theirs", far.data.k)
    end)
  end)

  it("are nothing to stores that cannot tell", function()
    local ok, why = Store.can_tell { name = "x" }
    assert.is_nil(ok)
    assert.equal("x: cannot tell of changes that others make", why)
    assert.is_nil((weir.null {}:negative():listen(listener)))
  end)
end)
