-- spool: failed deletes that are kept and sent again. Processes that are killed, and a
-- real Redis that is away, are in spec/policy/spool_crash_spec.lua.
local fake = require "fake"
local journals = require "fake.journal"
local script = require "fake.store"
local Journal = require "weir.policy.shared.journal"
local weir = require "weir"

describe("spool", function()
  local host, far
  before_each(function()
    host = fake.host()
    far = script.store(host, "far", { data = { a = "1", b = "2", c = "3" } })
  end)
  after_each(fake.leave)

  local function over(store, given)
    given = given or {}
    given.path = given.path or "spool"
    return weir.spool(store, given)
  end

  it("keeps a delete that fails, and sends it until the store has made it", function()
    local tree = over(far, { every = 2 })
    host:main(function()
      far.down = "unavailable"
      local reply = tree:delete_many { "a", "b" }
      assert.same({ "ok", "ok" }, { reply[1], reply[2] })
      assert.same({ true, true }, reply.maybe)
      local facts = tree:tally()
      assert.same({ 2, 2, 0 }, { facts.pending, facts.spooled, facts.replayed })
      assert.is_true(facts.bytes > 2)
      host.sleep(5)
      facts = tree:tally()
      assert.equal(2, facts.pending)
      assert.equal(5, facts.oldest)
      assert.is_true(facts.failures >= 4)
      far.down = nil
      host.sleep(2)
    end)
    assert.same({ c = "3" }, far.data)
    local facts = tree:tally()
    assert.same({ 0, 0, 0, 2, 0 }, { facts.pending, facts.bytes, facts.oldest,
      facts.replayed, facts.dropped })
  end)

  it("shows no value of a key whose delete waits, whatever reads it", function()
    local tree = over(far, { every = 1000 })
    host:main(function()
      far.faults.a = { "timeout" }
      far.maybe_applied = false
      assert.is_true(tree:delete "a")
      assert.equal("1", far.data.a)
      assert.is_nil(tree:get "a")
      assert.is_false(tree:exists "a")
      assert.is_nil((tree:stat "a"))
      assert.is_nil(tree:peek "a")
      local reply = tree:get_many { "a", "b", "a" }
      assert.same({ "miss", "ok", "miss" }, { reply[1], reply[2], reply[3] })
      local seen = {}
      for key in tree:scan {} do seen[#seen + 1] = key end
      assert.same({ "b", "c" }, seen)
      assert.equal(0, far:count "get a")
    end)
  end)

  it("lists no key that is deleted while its page is on the way", function()
    local tree, run = over(far, { every = 1 }), far.run
    function far.run(self, req)
      local reply = run(self, req)
      if req.op == "scan" then host.sleep(2) end
      return reply
    end
    host:main(function()
      far.faults.a = { "unavailable" }
      assert.is_true(tree:delete "a")
      local seen = {}
      for key in tree:scan {} do seen[#seen + 1] = key end
      assert.is_nil(far.data.a)
      assert.same({ "b", "c" }, seen)
    end)
  end)

  it("answers errors that no other attempt mends, and never keeps them", function()
    local tree = over(far)
    host:main(function()
      for _, name in ipairs { "denied", "unsupported", "invalid" } do
        far.faults.a = { name }
        assert.equal(name, select(2, tree:delete "a").code)
      end
      assert.same({ 0, 0, 0 }, { tree:tally().pending, tree:tally().spooled,
        tree:tally().dropped })
      assert.equal("1", tostring(tree:get "a"))
    end)
  end)

  it("ends a delete by a set that the store takes, and by no other", function()
    local tree = over(far, { every = 3 })
    host:main(function()
      far.down = "unavailable"
      assert.is_true(tree:delete "a")
      assert.is_nil((tree:set("a", "new")))
      assert.is_nil(tree:get "a")
      far.down = nil
      assert.is_true(tree:set("a", "newer"))
      assert.equal("newer", tostring(tree:get "a"))
      host.sleep(10)
      assert.equal("newer", far.data.a)
      assert.equal(1, tree:tally().superseded)
      assert.equal(1, far:count "delete")
    end)
  end)

  it("makes the delete before a write that looks at the value", function()
    local tree = over(far, { every = 1000 })
    host:main(function()
      far.faults.a = { "unavailable", "unavailable" }
      assert.is_true(tree:delete "a")
      assert.equal("unavailable", select(2, tree:touch("a", 60)).code)
      assert.is_false(tree:touch("a", 60))
      assert.is_nil(far.data.a)
      assert.equal(0, tree:tally().pending)
    end)
  end)

  it("is an error and counted when there is no room, and says so", function()
    local tree = over(far, { max = 500, every = 1000 })
    host:main(function()
      far.down = "reset"
      far.maybe_applied = false
      local reply = tree:delete_many { "a", "b", "c" }
      assert.same({ "ok", "ok", "reset" }, { reply[1], reply[2], reply[3] })
      local message = reply:error(3).message
      assert.matches("far: scripted; not kept: %d+ bytes of deletes wait", message)
      assert.matches("max = 500", message)
      assert.equal(1, tree:tally().dropped)
      assert.is_true(tree:delete "a") -- it waits already
      far.down = nil
      assert.equal("3", tostring(tree:get "c"))
    end)
  end)

  it("keeps the delete of a caller that is killed or leaves", function()
    local tree = over(far, { every = 1 })
    host:main(function()
      host:hold "far.delete.reply"
      far.faults.a = { "unavailable" }
      local caller = host.spawn(function() tree:delete "a" end)
      host:release "far.delete.reply"
      host.kill(caller)
      far.takes = 10
      assert.is_true(tree:delete("b", { timeout = 0.5 }))
      far.takes = nil
      host.sleep(5)
    end)
    assert.is_nil(far.data.b)
  end)

  it("never deletes what was set after it, in any order of events", function()
    local runs = fake.orders(function(on)
      local store = script.store(on, "s", { data = { k = "v1" } })
      store.faults.k = { "timeout" }
      store.maybe_applied = false
      local tree, set = over(store, { every = 1000 }), nil
      on:main(function()
        assert(tree:delete "k" == true)
        assert(tree:get "k" == nil, "the old value is served")
        on.spawn(function() tree:flush() end) -- sends the delete again
        on.spawn(function() tree:get "k" end)
        set = tree:set("k", "v2")
        local value = tree:get "k"
        assert(not set or tostring(value) == "v2", "the set is gone")
      end)
      assert(set == true)
      assert(store.data.k == "v2", "the store has " .. tostring(store.data.k))
      assert(tree:tally().pending == 0)
    end)
    assert.is_true(runs > 20, runs)
  end)

  it("has one order of a delete and a set at the same time", function()
    fake.orders(function(on)
      local store = script.store(on, "s", { data = { k = "v1" } })
      store.faults.k = { "unavailable" }
      local tree, gone, set = over(store, { every = 0.01 }), nil, nil
      on:main(function()
        on.spawn(function() gone = tree:delete "k" end)
        set = tree:set("k", "v2")
        on.sleep(1)
        local value = tree:get "k"
        assert(value == nil or tostring(value) == "v2", "the old value is served")
        assert(tostring(value or "nil") == tostring(store.data.k), "two answers")
        assert(gone ~= nil or set)
      end)
    end)
  end)

  it("leaves a tier above it no old copy to remember", function()
    local tree = weir.tier { over(far), script.store(host, "low"), write = "around" }
    host:main(function()
      far.down = "unavailable"
      assert(tree:set("a", "new"))
      assert.equal(0, tree:tally().old_copies)
      far.down = nil
      assert.equal("new", tostring(tree:get "a"))
      host.sleep(3)
      assert.equal("new", tostring(tree:get "a"))
    end)
    assert.is_true(far.data.a == nil or far.data.a == "new")
  end)

  it("is handed over by a reload, and holds it up if it would be lost", function()
    local every, plain = 1000, false
    local handle = weir.load(function()
      return plain and far or far:spool { "spool", every = every }
    end)
    host:main(function()
      far.down = "unavailable"
      assert.is_true(handle:delete "a")
      every = 1
      assert.is_true(handle:reload())
      far.down = nil
      assert.is_nil(handle:get "a")
      host.sleep(2)
      assert.is_nil(far.data.a)
      far.down = "unavailable"
      assert.is_true(handle:delete "b")
      plain = true
      local good, why = handle:reload()
      assert.is_nil(good)
      assert.matches("1 deletes wait for far, the first is of \"b\"", why)
      far.down = nil
      assert.is_true(handle:reload())
      assert.is_nil(far.data.b)
    end)
  end)

  -- ---- the journal ----

  -- A spool whose journal is a scripted store.
  local function journalled(on, log_data, store, given)
    local tree = over(store, given)
    local log = journals.store(on, log_data)
    tree.owner.pending.journal = Journal.new(log)
    tree.owner.pending.flusher.journal = tree.owner.pending.journal
    return tree, log
  end

  local function waiting(on, data)
    local keys = {}
    on:main(function()
      local journal = Journal.new(journals.store(on, journals.copy(data)))
      for _, entry in ipairs(assert(journal:recover())) do
        assert(entry.value == nil)
        keys[#keys + 1] = entry.key
      end
    end)
    table.sort(keys)
    return keys
  end

  -- What a process that is killed when an answer is there leaves behind.
  it("has in its file what it has acknowledged, at each answer", function()
    local tree, log = journalled(host, {}, far, { every = 1000 })
    local after = {}
    host:main(function()
      assert(tree.owner.pending.journal:recover())
      far.down = "unavailable"
      assert.is_true(tree:delete "a")
      after[1] = journals.copy(log.data)
      assert.is_true(tree:delete_many { "b", "c" }:all "good")
      after[2] = journals.copy(log.data)
      far.down = nil
      assert.is_true(tree:set("b", "new"))
      after[3] = journals.copy(log.data)
      assert.is_true(tree:flush())
      after[4] = journals.copy(log.data)
    end)
    local found = {}
    for i = 1, 4 do found[i] = table.concat(waiting(fake.host(), after[i]), " ") end
    assert.same({ "a", "a b c", "a c", "" }, found)
    assert.same({ b = "new" }, far.data)
  end)

  it("acknowledges nothing that its file did not take", function()
    local tree, log = journalled(host, {}, far, { every = 1000 })
    host:main(function()
      assert(tree.owner.pending.journal:recover())
      far.faults.a = { "unavailable" }
      log.down = "nospace"
      local _, err = tree:delete "a"
      assert.equal("unavailable", err.code)
      assert.matches("far: scripted; not kept: log: scripted", err.message)
      assert.equal("1", tostring(tree:get "a"))
      assert.same({ 0, 1 }, { tree:tally().pending, tree:tally().dropped })
      log.down, far.faults.a = nil, { "unavailable" }
      assert.is_true(tree:delete "a")
      log.down = "nospace"
      _, err = tree:set("a", "new")
      assert.matches("the key is deleted later: log: scripted", err.message)
      assert.is_nil(tree:get "a")
      log.down = nil
      assert.is_true(tree:flush())
      assert.is_nil(far.data.a)
    end)
  end)

  -- 600 deletes that wait, more than go in one batch, when their store is back.
  local function with_many(fn)
    local tree, log = journalled(host, {}, far, { every = 1 })
    local keys = {}
    for i = 1, 600 do
      keys[i] = "k" .. i
      far.data[keys[i]] = "v"
    end
    host:main(function()
      assert(tree.owner.pending.journal:recover())
      far.down = "unavailable"
      assert.is_true(tree:delete_many(keys):all "good")
      far.down = nil
      fn(tree, log, far:count "delete")
    end)
    return log
  end

  it("sends each delete once although its file takes no note of it", function()
    local log = with_many(function(tree, log, before)
      log.down = "nospace"
      local flushed, err = tree:flush()
      assert.is_nil(flushed)
      assert.same({ "nospace", 600 }, { err.code, #err.left })
      assert.same({ a = "1", b = "2", c = "3" }, far.data)
      host.sleep(10)
      assert.equal(3, far:count "delete" - before)
      assert.equal(600, tree:tally().pending)
      log.down = nil
      host.sleep(2)
      assert.equal(3, far:count "delete" - before)
      assert.same({ 0, 600 }, { tree:tally().pending, tree:tally().replayed })
    end)
    assert.same({}, waiting(fake.host(), log.data))
  end)

  it("sends a delete again that a set came between while its file was full", function()
    with_many(function(tree, log)
      log.down = "nospace"
      tree:flush()
      local _, err = tree:set("k7", "new")
      assert.matches("the key is deleted later", err.message)
      assert.equal("new", far.data.k7)
      host.sleep(5)
      assert.is_nil(far.data.k7)
      log.down = nil
      host.sleep(2)
      assert.equal(0, tree:tally().pending)
    end)
  end)

  it("makes room in a full folder by what its store has made", function()
    local left
    with_many(function(tree, log)
      log.room = log:used()
      assert.is_true(tree:flush())
      assert.equal(0, log:used())
      far.faults.a = { "unavailable" }
      assert.is_true(tree:delete "a")
      left = journals.copy(log.data)
    end)
    assert.same({ "a" }, waiting(fake.host(), left))
  end)

  -- The files of a process that was killed when 600 deletes waited.
  local function killed()
    local files
    with_many(function(_, log) files = journals.copy(log.data) end)
    host = fake.host()
    far = script.store(host, "far", { data = { a = "1" } })
    return files, next(files)
  end

  it("serves from a full folder, but keeps no further delete", function()
    local files, name = killed()
    local bytes = files[name]
    local tree, log = journalled(host, files, far, { every = 1000 })
    host:main(function()
      log.room = log:used()
      assert.equal(600, #assert(tree.owner.pending.journal:recover()))
      assert.same({ [name] = bytes }, log.data)
      far.faults.a = { "unavailable", "unavailable" }
      assert.matches("log: full", select(2, tree:delete "a").message, 1, true)
      log.room = nil
      assert.is_true(tree:delete "a")
      files = journals.copy(log.data)
    end)
    assert.equal(601, #waiting(fake.host(), files))
  end)

  it("adds nothing behind a torn end in a full folder", function()
    local files, name = killed()
    files[name] = files[name]:sub(1, -2)
    local tree, log = journalled(host, files, far, {})
    host:main(function()
      local journal = tree.owner.pending.journal
      log.room = log:used()
      assert.same({ nil, "nospace", "log: full" }, { journal:recover() })
      log.room = nil
      assert.equal(599, #assert(journal:recover()))
    end)
    assert.equal(599, #waiting(fake.host(), log.data))
  end)
end)
