-- The journal of a write-back: what is read after a crash. Crashes of real processes
-- are in spec/policy/crash_spec.lua.
local fake = require "fake"
local journals = require "fake.journal"
local script = require "fake.store"
local shell = require "shell"
local Journal = require "weir.policy.shared.journal"
local weir = require "weir"

describe("the journal of write-back", function()
  local host
  before_each(function() host = fake.host() end)
  after_each(fake.leave)

  -- A tier whose journal is a scripted store.
  local function tier(on, log_data, far_data, given)
    local top, far = script.store(on, "top"), script.store(on, "far",
      { data = far_data })
    local tree = weir.tier { top, far, write = weir.back(given) }
    local log = journals.store(on, log_data)
    tree.back.journal = Journal.new(log)
    tree.back.flusher.journal = tree.back.journal
    return tree, far, log, top
  end

  local function recovered(data)
    local found = {}
    host:main(function()
      local journal = Journal.new(journals.store(host, journals.copy(data)))
      for _, entry in ipairs(assert(journal:recover())) do
        found[entry.key] = entry.value and tostring(entry.value) or false
      end
    end)
    return found
  end

  it("brings back what was acknowledged and not flushed", function()
    local tree, far, log = tier(host, {}, { d = "old" }, { after = 1000 })
    local left, low_left
    host:main(function()
      assert(tree:set_many({ "a", "b", "d" }, { "1", "2", "3" }):all "good")
      assert(tree:set("a", "newer", { ttl = 600 }))
      assert(tree:delete "d")
      assert.is_true(tree:tally().journal_bytes > 0)
      left, low_left = journals.copy(log.data), journals.copy(far.data)
    end)
    assert.same({ a = "newer", b = "2", d = false }, recovered(left))
    local again, low, _, top = tier(host, left, low_left, { after = 1 })
    top.data.a, top.data.d = "older", "older"
    host:main(function()
      assert.equal("newer", tostring(again:get "a"))
      assert.is_nil(again:get "d")
      assert.near(600, again:stat("a").ttl, 1.01)
      assert.is_nil(top.data.d, "the upper copy may be older")
      host.sleep(2)
    end)
    assert.same({ a = "newer", b = "2" }, low.data)
    assert.equal(3, again:tally().recovered)
  end)

  it("forgets what was flushed, so a later deletion stays", function()
    local tree, far, log = tier(host, {}, {}, { after = 1000 })
    local left
    host:main(function()
      assert(tree:set_many({ "a", "b" }, { "1", "2" }):all "good")
      assert(tree:flush())
      assert.is_true(tree:delete "a")
      assert(tree:set("b", "3"))
      assert.same({ b = "2" }, far.data)
      left = journals.copy(log.data)
    end)
    assert.same({ b = "3" }, recovered(left))
  end)

  it("leaves nothing out of a flush of several batches", function()
    local tree, far, log = tier(host, {}, {}, { after = 1000 })
    local keys = {}
    log.takes = 0.01
    for i = 1, 300 do keys[i] = "k" .. i end
    host:main(function()
      for _ = 1, 3 do
        assert(tree:set_many(keys, keys):all "good")
        assert(tree:flush())
        for _, key in ipairs(keys) do assert.equal(key, far.data[key]) end
        far.data = {}
      end
    end)
  end)

  it("acknowledges nothing that the journal did not take", function()
    local tree, far, log = tier(host, {}, {}, { after = 1 })
    host:main(function()
      assert(tree:set("a", "1"))
      log.down = "nospace"
      local _, err = tree:set("a", "2")
      assert.equal("nospace", err.code)
      assert.equal("nospace", select(2, tree:delete "a").code)
      assert.equal("1", tostring(tree:get "a"))
      log.down = nil
      host.sleep(3)
    end)
    assert.same({ a = "1" }, far.data)
    assert.same({}, recovered(log.data))
  end)

  it("answers nothing before it has read the journal", function()
    local tree, _, log = tier(host, {}, { a = "old" }, {})
    log.down = "unavailable"
    host:main(function()
      assert.equal("unavailable", select(2, tree:get "a").code)
      log.down = nil
      assert.equal("old", tostring(tree:get "a"))
    end)
  end)

  it("is read to its end although the first caller dies meanwhile", function()
    local log = journals.store(host, {})
    host:main(function()
      local journal = Journal.new(log)
      assert(journal:recover())
      assert.equal("ok", (journal:append { { key = "a", value = "1" } }))
    end)
    local tree, _, held = tier(host, log.data, {}, {})
    host:main(function()
      host:hold "log.get"
      local first = host.spawn(function() tree:get "a" end)
      assert.equal(1, host:holding "log.get")
      assert.equal("skipped", select(2, tree:get("a", { timeout = 1 })).code)
      host.kill(first)
      host:release "log.get"
      assert.equal("1", tostring(tree:get "a"))
    end)
    assert.equal(1, held:count "get")
  end)

  it("lets a write go that waits for room which another one gave back", function()
    local tree, _, log = tier(host, {}, {}, { max_dirty = 700, on_full = "block" })
    log.takes = 0.1
    function log.script(op) return op == "set" and "nospace" or nil end
    local waited
    host:main(function()
      tree:get "k"
      host.spawn(function()
        assert.equal("nospace", select(2, tree:set("a", ("x"):rep(300))).code)
        log.script = nil
      end)
      waited = tree:set("b", ("x"):rep(300))
    end)
    assert.is_true(waited)
    assert.equal(0, tree.back.reserved)
  end)

  -- The bytes of a file with these writes, and where each record ends.
  local function file_of(writes)
    local log = journals.store(host, {})
    local journal, ends = Journal.new(log), {}
    host:main(function()
      assert(journal:recover())
      for i, entry in ipairs(writes) do
        assert.equal("ok", (journal:append { entry }))
        ends[i] = #log.data["0"]
      end
    end)
    return log.data["0"], ends
  end

  local WRITES = { { key = "a", value = "first" }, { key = "b", value = "" },
    { key = "a", value = "second" }, { key = "b" }, { key = "c", value = "last" } }

  -- What the first n of the writes leave.
  local function after(n)
    local want = {}
    for i = 1, n do want[WRITES[i].key] = WRITES[i].value or false end
    return want
  end

  it("cuts a torn record, wherever it is torn", function()
    local bytes, ends = file_of(WRITES)
    local whole = 0
    for cut = 0, #bytes do
      while ends[whole + 1] and ends[whole + 1] <= cut do whole = whole + 1 end
      assert.same(after(whole), recovered { ["0"] = bytes:sub(1, cut) }, cut)
      assert.same(after(whole),
        recovered { ["0"] = bytes:sub(1, cut) .. ("\0"):rep(#bytes - cut) }, cut)
    end
  end)

  it("never applies a record with a wrong byte", function()
    local bytes, ends = file_of(WRITES)
    local n = 0
    for at = 1, #bytes do
      while ends[n + 1] < at do n = n + 1 end
      local wrong = string.char((bytes:byte(at) + 1) % 256)
      assert.same(after(n),
        recovered { ["0"] = bytes:sub(1, at - 1) .. wrong .. bytes:sub(at + 1) }, at)
    end
  end)

  it("writes on after a torn record, and loses nothing of that", function()
    local bytes = file_of(WRITES)
    local torn = { ["0"] = bytes:sub(1, -3) }
    local tree, far, log = tier(host, torn, {}, { after = 1000 })
    local left
    far.down = "unavailable"
    host:main(function()
      assert(tree:set("d", "4"))
      assert.is_true(tree.back.journal.cut > 0)
      assert.is_nil(log.data["0"])
      left, far.down = journals.copy(log.data), nil
    end)
    assert.same({ a = "second", b = false, d = "4" }, recovered(left))
  end)

  it("keeps its file small, and what is dirty in it", function()
    local tree, far, log = tier(host, {}, {}, { after = 0.5, max_dirty = 600000 })
    local VALUE, most = ("x"):rep(100000), 0
    host:main(function()
      far.faults.kept = "busy"
      assert(tree:set("kept", "safe"))
      for i = 1, 120 do
        assert(tree:set("k" .. i % 7, i .. VALUE))
        local size = 0
        for _, bytes in pairs(log.data) do size = size + #bytes end
        most = math.max(most, size)
        host.sleep(0.1)
      end
      far.faults.kept = nil
    end)
    assert.equal("safe", far.data.kept)
    assert.is_true(most < 4 * 2 ^ 20, most)
    assert.is_true(log:count "delete" > 5)
  end)

  it("reads several files, whatever part of a change of files was done", function()
    local bytes = file_of(WRITES)
    -- The same records twice, an older file beside a newer one, a part of one.
    assert.same(after(5), recovered { ["0"] = bytes, ["3"] = bytes })
    assert.same(after(5), recovered { ["0"] = bytes, ["1"] = bytes:sub(1, 200) })
    assert.same(after(5), recovered { ["1"] = bytes, ["0"] = bytes:sub(1, 90) })
  end)

  -- Runs tasks in a random order, and notes at each await what a crash would leave: the
  -- journal, the authority, and how many writes of the key were acknowledged and begun.
  local function crashes(seed, tasks, given)
    local random = fake.generator(seed)
    local on = fake.host { seed = seed, interleave = true,
      choose = function(n) return math.floor(random() * n) + 1 end }
    local tree, far, log = tier(on, {}, { k = "v0" }, given)
    local acked, begun, left = 0, 0, {}
    local await = on.await
    function on.await(...)
      left[#left + 1] = { log = journals.copy(log.data),
        far = journals.copy(far.data), acked = acked, begun = begun }
      return await(...)
    end
    local function write(value)
      begun = begun + 1
      local n, good = begun
      if value then good = tree:set("k", value) else good = tree:delete "k" end
      if good ~= nil then acked = math.max(acked, n) end
    end
    on:main(function() tasks(write, tree, on) end)
    return left
  end


  local ALLOWED = { [0] = "v0", "v1", "v2", false }

  -- What is read after a crash is the last write that was acknowledged, or a later one.
  local function check(left)
    local again = fake.host()
    local tree, low = tier(again, left.log, left.far, { after = 0.1 })
    local value, later
    again:main(function()
      value = tree:get_string "k"
      again.sleep(5)
      later = tree:get_string "k"
    end)
    local fits = false
    for n = left.acked, left.begun do fits = fits or (ALLOWED[n] or nil) == value end
    assert(fits, ("%s after %d acknowledged of %d writes"):format(tostring(value),
      left.acked, left.begun))
    assert.equal(value, later)
    assert.equal(value, low.data.k)
  end


  local function check_all(tasks, given)
    local n = 0
    for seed = 1, 40 do
      for _, left in ipairs(crashes(seed, tasks, given)) do
        check(left)
        n = n + 1
      end
    end
    assert.is_true(n > 400, n)
  end


  it("loses no acknowledged write in a crash, at whichever await", function()
    check_all(function(write, tree, on)
      write "v1"
      on.spawn(function() tree:flush() end)
      write "v2"
      write(nil)
    end, { after = 1 })
  end)

  it("brings nothing old back over a write that went past it", function()
    check_all(function(write, tree, on)
      write "v1"
      on.spawn(function() tree:flush() end)
      tree.back.dirty.most = 1
      write "v2"
      write(nil)
    end, { after = 1 })
  end)

  it("is left alone by a ghost's candidate, and in virtual time", function()
    local folder = shell.folder()
    local path = folder .. "/journal"
    local text = ("return tier { memory {}, memory {}, write = back { journal = %q } }")
      :format(path)
    shell.write(folder .. "/candidate.lua", text)
    weir.load(folder .. "/candidate.lua"):close()
    host:main(function()
      local tree = weir.load(folder .. "/candidate.lua")
      assert(tree:set("k", "v"))
    end)
    fake.leave()
    weir.run(function()
      local tree = weir.memory {}:ghost(folder .. "/candidate.lua")
      assert(tree:set("k", "v"))
      tree:drain(tree.ring)
      assert.equal(1, tree.shown)
      tree:close()
    end)
    local made = io.open(path)
    shell.remove(folder)
    assert.is_nil(made)
  end)

  it("needs a journal for its sync", function()
    assert.error_matches(function() weir.back { sync = "data" } end,
      "back: sync belongs to journal")
  end)
end)
