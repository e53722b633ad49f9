-- The verbs, over the memory connector: answered in place, without a host.
local weir = require "weir"


local function refusal(fn, ...)
  local ok, why = pcall(fn, ...)
  assert.is_false(ok)
  return (assert(tostring(why):match "verbs_spec.lua:%d+: (.*)", why))
end


describe("a store", function()
  local store

  before_each(function() store = weir.memory { capacity = "16MiB" } end)
  after_each(function() store:close() end)

  it("returns a value, nil alone for a miss, nil and an error", function()
    assert.is_true(store:set("greeting", "hello"))
    assert.equal("hello", tostring(store:get "greeting"))
    assert.equal(1, select("#", store:get "nothing"))
    assert.is_nil((store:get "nothing"))
    local value, err = store:get ""
    assert.is_nil(value)
    assert.equal("invalid", err.code)
    assert.matches("key is empty", err.message)
    assert.equal("memory", err.store)
  end)

  it("answers the same with options as without", function()
    store:set("key", "value", { timeout = 1 })
    assert.equal("value", tostring(store:get("key", { timeout = 1 })))
    assert.equal(1, select("#", store:get("none", { timeout = 1 })))
    local value, err = store:get("", { timeout = 1 })
    assert.is_true(value == nil and err.code == "invalid")
  end)

  it("says whether there was something: exists, delete, touch", function()
    store:set("key", "v")
    assert.is_true(store:exists "key")
    assert.is_true(store:touch("key", 10))
    assert.is_true(store:delete "key")
    assert.same({ false, false, false },
      { store:exists "key", store:delete "key", store:touch("key", 10) })
  end)

  it("tells size and time to live, and nil for a miss", function()
    store:set("key", "12345", { ttl = 100 })
    local facts = store:stat "key"
    assert.equal(5, facts.size)
    assert.is_true(facts.ttl > 99 and facts.ttl <= 100)
    assert.is_true(store:touch "key")
    assert.is_nil(store:stat("key").ttl)
    assert.is_nil((store:stat "none"))
    assert(store:set("key", "1", { ttl = "10m", timeout = "1s" }))
    assert.is_true(store:stat("key").ttl > 599)
    assert.is_true(store:touch("key", "1h"))
    assert.is_true(store:stat("key").ttl > 3599)
  end)

  it("keeps any key of 1 to 65,536 bytes apart from others", function()
    local keys = { "../../x", "a\0b", "a\0c", ("k"):rep(65536) }
    for byte = 0, 255 do keys[#keys + 1] = string.char(byte) end
    for i, key in ipairs(keys) do assert(store:set(key, tostring(i))) end
    for i, key in ipairs(keys) do
      assert.equal(tostring(i), tostring(store:get(key)))
    end
    local _, err = store:get(("k"):rep(65537))
    assert.equal("invalid", err.code)
  end)

  it("keeps values of any size up to its limit, and says what is over", function()
    for _, size in ipairs { 0, 1, 1023, 1024, 1025, 100000 } do
      local value = ("v"):rep(size)
      assert(store:set("key", value))
      assert.is_true(store:get "key" == value)
    end
    local small = weir.memory { capacity = "16MiB", max_value = 10 }
    assert.is_true(small:set("key", ("v"):rep(10)))
    local stored, err = small:set("key", ("v"):rep(11))
    assert.is_true(stored == nil and err.code == "toobig")
    small:close()
  end)

  it("answers every slot of a batch, duplicates and misses, too", function()
    store:set_many({ "a", "b" }, { "1", "2" })
    local reply = store:get_many { "a", "none", "b", "a" }
    assert.same({ "ok", "miss", "ok", "ok" }, { unpack(reply) })
    assert.equal("1", reply:string(4))
    assert.equal(0, #store:get_many {})
    assert.is_true(store:get_many({}):all "good")
  end)

  it("lets one bad key of a batch hinder no other", function()
    store:set("a", "1")
    local reply = store:get_many { "a", "", "none" }
    assert.same({ "ok", "invalid", "miss" }, { unpack(reply) })
    assert.matches("key is empty", reply:error(2).message)
  end)

  it("takes batches of 10,000", function()
    local keys, values = {}, {}
    for i = 1, 10000 do keys[i], values[i] = "k" .. i, tostring(i) end
    assert.is_true(store:set_many(keys, values):all "good")
    local reply = store:get_many(keys)
    assert.equal(10000, reply:count "good")
    assert.equal("9999", reply:string(9999))
    assert.equal(10000, store:exists_many(keys):count "good")
    assert.equal(10000, store:delete_many(keys):count "good")
  end)

  it("counts the leading good slots when asked for a prefix", function()
    store:set_many({ "1", "2", "4" }, { "", "", "" })
    assert.equal(2, store:get_many({ "1", "2", "3", "4" }, { prefix = true }).lead)
    assert.equal(0, store:exists_many({ "3", "4" }, { prefix = true }).lead)
    assert.equal(3, store:exists_many({ "1", "2", "1" }, { prefix = true }).lead)
    assert.is_nil(store:get_many({ "1" }).lead)
  end)

  it("gives stat, touch and delete of batches by slot", function()
    store:set_many({ "a", "b" }, { "1", "22" })
    local facts = store:stat_many { "b", "none", "a" }
    assert.same({ 2, nil, 1 }, { facts:size(1), facts:size(2), facts:size(3) })
    assert.same({ "ok", "miss" }, { unpack(store:touch_many({ "a", "none" }, 50)) })
    assert.is_true(store:stat("a").ttl > 49)
  end)

  it("skips what comes after its deadline", function()
    local value, err = store:get("key", { deadline = weir.now() - 1 })
    assert.is_true(value == nil and err.code == "skipped")
    assert.matches("deadline", err.message)
  end)

  it("counts what was done", function()
    store:set("key", "12345")
    store:get "key"
    store:get "none"
    local stats = store:stats()
    assert.same({ ok = 1, miss = 1 }, stats.ops.get.status)
    assert.equal(5, stats.ops.get.bytes)
    assert.is_number(stats.gauges.entries or stats.gauges.keys or stats.gauges.items)
  end)

  it("refuses what comes after close; a second close does nothing", function()
    store:set("key", "v")
    assert.is_true(store:close { timeout = "1s" })
    assert.is_true(store:close())
    for _, verb in ipairs { "get", "exists", "delete", "stat" } do
      local value, err = store[verb](store, "key")
      assert.is_nil(value)
      assert.equal("skipped", err.code)
      assert.matches("closed", err.message)
    end
    local stored, err = store:set("key", "v")
    assert.is_true(stored == nil and err.code == "skipped")
  end)

  it("raises misuse at the caller, whatever verb", function()
    for _, verb in ipairs { "get", "exists", "delete", "stat", "touch" } do
      assert.equal("a key is a string, not number; use tostring(42)",
        refusal(function() store[verb](store, 42) end))
      assert.equal("keys are a list of strings, not a string",
        refusal(function() store[verb .. "_many"](store, "a") end))
    end
    assert.equal("a list of keys has no holes: key 2 is nil",
      refusal(function() store:get_many { "a", nil, "c", nil } end))
    refusal(function() store:set(nil, "v") end)
    refusal(function() store:set("k", "v", { ttl = 0 }) end)
    refusal(function() store:touch("k", -1) end)
    assert.matches("^a time to live must be .* or nil, not \"soon\"",
      refusal(function() store:touch("k", "soon") end))
    refusal(function() store:get("k", 5) end)
  end)

  it("checks the options of close, of a tree, too", function()
    local tree = weir.tier { store, weir.memory {} }
    for _, one in ipairs { store, tree } do
      for text, opts in pairs {
        ['close has no option "timout"; did you mean "timeout"?'] = { timout = 5 },
        ["options are a table, not a number"] = 5,
        ["drop must be true or false, not 1"] = { drop = 1 },
        ['timeout must be a time, seconds or a text like "50ms" or "10m", not -1'] =
          { timeout = -1 },
      } do
        assert.equal(text, refusal(function() one:close(opts) end))
      end
    end
    assert.equal(1, select("#", tree:close { timeout = 0 }))
    assert.is_true(store:close { drop = true })
  end)

  it("raises misuse of the module's functions at the caller", function()
    for text, fn in pairs {
      ["weir.run takes a function, not nil"] = function() weir.run() end,
      ["weir.spawn takes a function, not table"] = function() weir.spawn {} end,
      ["weir.join takes a task, as weir.spawn returns it, not nil"] =
        function() weir.join() end,
      ["weir.kill takes a task, as weir.spawn returns it, not number"] =
        function() weir.kill(5) end,
      ["weir.sleep takes seconds, not string"] = function() weir.sleep "1s" end,
      ["weir.sleep takes seconds, not nan"] = function() weir.sleep(0 / 0) end,
      ["weir.prometheus takes a store, not nil"] = function() weir.prometheus() end,
      ["weir.load takes a path or a function, not nil"] = function() weir.load() end,
      ["weir.load takes a table of options, not number"] =
        function() weir.load("kv.lua", 5) end,
      ['weir.load has no option "timeuot"; did you mean "timeout"?'] =
        function() weir.load("kv.lua", { timeuot = 1 }) end,
      ['timeout must be a time over 0, seconds or a text like "50ms" or "10m", '
        .. 'or nil, not "x"'] = function() weir.load("kv.lua", { timeout = "x" }) end,
    } do
      assert.equal(text, refusal(fn))
    end
  end)
end)


-- Over a store in place, one with workers and a policy.
for name, open in pairs {
  ["in place"] = function() return weir.memory { capacity = "1MiB" } end,
  ["with workers"] = function() return weir.memory { inline = false } end,
  ["of a policy"] = function()
    return weir.tier { weir.memory { capacity = "1MiB" }, weir.memory() }
  end,
} do
  describe("a store " .. name, function()
    local s

    before_each(function() s = open() end)
    after_each(function() s:close() end)

    it("says how to call it when it is called with a dot", function()
      for verb, given in pairs {
        get = { "a" }, set = { "a", "v" }, exists = { "a" }, delete = { "a" },
        stat = { "a" }, touch = { "a", 5 }, get_string = { "a", { timeout = 1 } },
        get_into = { "a", {} }, get_into_many = { { "a" }, {} },
        get_many = { { "a" } }, set_many = { { "a" }, { "v" } },
        exists_many = { { "a" } }, delete_many = { { "a" } },
        stat_many = { { "a" } }, touch_many = { { "a" }, 5 },
        scan = { { prefix = "a" } }, trace = { "a" }, explain = { "get", "a" },
        tree = {}, stats = {}, close = {},
      } do
        local shown = ("%s is a method: call it with a colon, s:%s(...)")
          :format(verb, verb)
        local why = refusal(function() s[verb](unpack(given)) end)
        assert.equal(shown, why:sub(1, #shown))
      end
    end)

    it("says what a value is, and what to do with other things", function()
      for hint, value in pairs {
        ["not table; encode it first, with cjson or string.buffer"] = { 1, 2 },
        ["not number; use tostring(5)"] = 5,
        ["not boolean"] = true,
      } do
        local wanted = "a value is a string, a Value, an array of bytes "
          .. "or { pointer, size }, " .. hint
        assert.equal(wanted, refusal(function() s:set("k", value) end))
        assert.equal(wanted,
          refusal(function() s:set_many({ "j", "k" }, { "", value }) end))
      end
      assert.matches("not nil; delete removes a key$",
        refusal(function() s:set("k", nil) end))
      local closed = weir.value "bytes"
      closed:close()
      assert.equal("the value was closed: it has no bytes",
        refusal(function() s:set("k", closed) end))
      assert.matches("a buffer is an array .* not nil$",
        refusal(function() s:get_into("k", nil) end))
      assert.is_false(s:exists "k")
    end)

    it("reads a value as a plain string: nil for a miss, nil and an error", function()
      s:set("k", ("v"):rep(5000))
      assert.equal(("v"):rep(5000), s:get_string "k")
      s:set("empty", "")
      assert.equal("", s:get_string("empty", { timeout = "1s" }))
      assert.equal(1, select("#", s:get_string "none"))
      assert.is_nil((s:get_string "none"))
      local text, err = s:get_string ""
      assert.is_nil(text)
      assert.equal("invalid", err.code)
      assert.equal("a key is a string, not number; use tostring(5)",
        refusal(function() s:get_string(5) end))
    end)
  end)
end


describe("a fork", function()
  local ffi = require "ffi"
  ffi.cdef [[
  int fork(void); int waitpid(int, int *, int); void _exit(int);
  unsigned alarm(unsigned);
  int dup(int); int close(int);
  ]]

  -- Runs check in a child, which an alarm ends; 0: it returned true.
  local function in_child(check, meanwhile)
    local child, status = ffi.C.fork(), ffi.new "int[1]"
    if child == 0 then
      ffi.C.alarm(5)
      local ok, good = pcall(check)
      ffi.C._exit(ok and good and 0 or 1)
    end
    while ffi.C.waitpid(child, status, 1) == 0 do meanwhile() end
    return status[0]
  end

  it("leaves stores of the parent that refuse, not hang", function()
    local store = weir.open("null", { hit = true, inline = false })
    assert(store:get "a")
    assert.equal(0, in_child(function()
      local value, err = store:get "a"
      return value == nil and err.message:find "fork"
    end, function() weir.sleep(0.001) end))
    store:close()
  end)

  it("leaves the child a runtime of its own, apart from the parent's", function()
    local store = weir.open("null", { hit = true, inline = false })
    assert(store:get "a")
    assert.equal(0, in_child(function()
      local own = weir.open("null", { hit = true, inline = false })
      for _ = 1, 500 do assert(own:get "a") end
      return own:close()
    end, function() store:get "a" end))
    store:close()
  end)

  it("takes no file descriptors for what the parent's stores refuse", function()
    -- The lowest one that is free.
    local function free()
      local fd = ffi.C.dup(0)
      ffi.C.close(fd)
      return fd
    end
    local store = weir.open("null", { hit = true, inline = false })
    assert(store:get "a")
    assert.equal(0, in_child(function()
      local own = weir.open("null", { hit = true, inline = false })
      assert(own:get "a")
      local before = free()
      for _ = 1, 20 do assert(store:get "a" == nil and own:get "a") end
      return free() == before
    end, function() weir.sleep(0.001) end))
    store:close()
  end)
end)


describe("memory", function()
  it("of Lua and C does not grow with the number of operations", function()
    local store = weir.memory { capacity = "16MiB" }
    store:set("key", ("v"):rep(1024))
    local keys = {}
    for i = 1, 64 do keys[i] = "key" end
    local function work()
      for _ = 1, 20000 do store:get "key" end
      for _ = 1, 300 do store:get_many(keys) end
      collectgarbage()
      collectgarbage()
      return collectgarbage "count"
    end
    work()
    local before = work()
    assert.is_true(work() - before < 16, "the heap grew")
    store:close()
  end)

  it("of a value that was set is let go with the value #unsanitized", function()
    local function resident()
      local file = assert(io.open "/proc/self/statm")
      local pages = file:read("*a"):match "^%d+ (%d+)"
      file:close()
      return tonumber(pages) * 4096
    end
    local store = weir.open "null"
    local before = resident()
    local value = weir.value(("v"):rep(64 * 1024 * 1024))
    collectgarbage()
    collectgarbage()
    assert(store:set("key", value))
    value:close()
    assert.is_true(resident() - before < 32 * 1024 * 1024)
    store:close()
  end)
end)
