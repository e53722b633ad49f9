-- What each word does with atomic ops, those that look at the value that is there: it
-- passes them to the one store that decides, or says that it cannot.
local Shell = require "shell"
local fake = require "fake"
local script = require "fake.store"
local weir = require "weir"
local Op = require "weir.core.op"
local Policies = require "weir.language.policies"


local function memory() return weir.memory { capacity = "1MiB" } end

local function never() return false end

-- Trees by word. `refuses`: the ops that are unsupported, in words; "all".
local WORDS = {
  admit = { function(a) return a:admit(weir.always) end },
  breaker = { function(a) return a:breaker {} end },
  byop = { function(a, b) return weir.byop { writes = a, get = a, default = b } end },
  bysize = { function(a, b) return weir.bysize { { 3, a }, b } end, refuses = "all" },
  chunk = { function(a) return a:chunk() end, refuses = "all" },
  checksum = { function(a) return a:checksum() end, refuses = "incr append cas" },
  coalesce = { function(a) return a:coalesce() end },
  compress = { function(a) return a:compress() end, refuses = "incr append cas" },
  deadline = { function(a) return a:deadline(5) end },
  failover = { function(a, b) return weir.failover { a, b } end, refuses = "all" },
  hedge = { function(a) return a:hedge { delay = 1 } end },
  limit = { function(a) return a:limit { inflight = 9 } end },
  meter = { function(a) return a:meter "m" end },
  migrate = { function(a, b)
    return weir.migrate { from = a, to = b, at = os.time() + 1e6 }
  end },
  mirror = { function(a, b) return weir.mirror { a, b } end, refuses = "all" },
  negative = { function(a) return a:negative { ttl = 100 } end },
  percent = { function(a, b) return weir.percent { 50, a, b } end },
  prefix = { function(a) return a:prefix "p/" end },
  retry = { function(a) return a:retry {} end },
  route = { function(a, b) return weir.route { k = a, default = b } end },
  shadow = { function(a, b) return a:shadow { b } end },
  shard = { function(a, b) return weir.shard { a, b, names = { "a", "b" } } end },
  tap = { function(a) return a:tap(function() end) end },
  tier = { function(a, b) return weir.tier { a, b } end },
  timeout = { function(a) return a:timeout(5) end },
  ttl = { function(a) return a:ttl(100) end },
  warmup = { function(a, b) return weir.warmup { a, b } end, refuses = "all" },
}

-- Words that end a tree, that answer what they are told, whose verbs take tables, whose
-- specs need a file, or that have atomic ops in specs of their own.
local OTHERS = { delay = true, fail = true, fault = true, origin = true, policy = true,
  readonly = true, crypt = true, ghost = true, record = true, spool = true, pin = true,
  quota = true, serialize = true }

-- More trees of these words.
local SPECIAL = {
  ["a tier with write-back"] = { function(a, b)
    return weir.tier { a, b, write = weir.back {} }
  end, refuses = "all" },
  ["an exclusive tier"] = { function(a, b)
    return weir.tier { a, b, demote = weir.always, exclusive = true }
  end, refuses = "all" },
  ["a tier that goes around"] = { function(a, b)
    return weir.tier { a, b, write = "around" }
  end },
  ["a shard with replicas"] = { function(a, b)
    return weir.shard { a, b, replicas = 2, names = { "a", "b" } }
  end, refuses = "all" },
  ["a ttl that keeps old values"] = { function(a)
    return a:ttl(100, { stale = 10 })
  end, refuses = "all" },
  ["migrate, in the middle of it"] = { function(a, b)
    return weir.migrate { from = a, to = b, at = os.time() + 5 }
  end, refuses = "all" },
  ["a policy of one's own over one store"] = { function(a)
    return weir.policy { children = { a },
      run = function(self, req) return self.children[1]:run(req) end }
  end },
  ["a policy of one's own over two stores"] = { function(a, b)
    return weir.policy { children = { a, b },
      run = function(self, req) return self.children[1]:run(req) end }
  end, refuses = "all" },
}


local RUN = {
  add = function(tree)
    assert.is_true(tree:add("k1", "x"))
    assert.is_false(tree:add("k1", "y"))
    assert.equal("x", tostring(tree:get "k1"))
  end,
  replace = function(tree)
    assert.is_false(tree:replace("k1", "x"))
    assert(tree:set("k1", "x"))
    assert.is_true(tree:replace("k1", "y"))
    assert.equal("y", tostring(tree:get "k1"))
  end,
  incr = function(tree)
    assert.equal(1, tree:incr "k1")
    assert.equal("1", tostring(tree:get "k1"))
    assert.equal(42, tree:incr("k1", 41))
    assert.equal("42", tostring(tree:get "k1"))
  end,
  append = function(tree)
    assert.equal(2, tree:append("k1", "ab"))
    assert.equal("ab", tostring(tree:get "k1"))
    assert.equal(3, tree:append("k1", "c"))
    assert.equal("abc", tostring(tree:get "k1"))
  end,
  cas = function(tree)
    assert.is_false(tree:cas("k1", "x", "?"))
    assert(tree:set("k1", "x"))
    assert.is_true(tree:cas("k1", "y", tree:get "k1"))
    assert.is_false(tree:cas("k1", "z", "x"))
    assert.equal("y", tostring(tree:get "k1"))
  end,
  gat = function(tree)
    assert(tree:set("k1", "x", { ttl = 10 }))
    assert.equal("x", tostring(tree:get "k1"))
    assert.equal("x", tostring(tree:gat("k1", 1)))
    assert.equal("x", tostring(tree:gat("k1")))
  end,
  take = function(tree)
    assert(tree:set("k1", "x"))
    assert.equal("x", tostring(tree:get "k1"))
    assert.equal("x", tostring(tree:take "k1"))
    assert.is_nil(tree:get "k1")
    assert.is_nil(tree:take "k1")
  end,
}

local ARGUMENTS = { cas = { "x", "y" }, take = {}, gat = {}, incr = {} }


-- The stores of a refusing tree are not asked.
local function check_refused(tree, op, stores)
  local result, err = tree[op](tree, "k1", unpack(ARGUMENTS[op] or { "x" }))
  assert.is_nil(result)
  assert.equal("unsupported", err.code, op)
  assert.matches("cannot " .. op .. ": ", tostring(err), 1, true)
  for _, store in ipairs(stores) do assert.is_nil(store:stats().ops[op], op) end
  assert.matches("^unsupported: ", tree:explain(op, "k1")[1].why)
end


local function check(entry)
  for op in pairs(Op.atomic) do
    local host = fake.host()
    local a, b = memory(), memory()
    local tree = entry[1](a, b)
    host:main(function()
      local refused = entry.refuses == "all"
        or (" " .. (entry.refuses or "") .. " "):find(" " .. op .. " ", 1, true)
      if refused then check_refused(tree, op, { a, b }) else RUN[op](tree) end
    end)
  end
end


describe("an atomic op", function()
  after_each(fake.leave)

  for word, entry in pairs(WORDS) do
    it("passes through " .. word .. ", or is refused", function() check(entry) end)
  end

  for what, entry in pairs(SPECIAL) do
    it("passes through " .. what .. ", or is refused", function() check(entry) end)
  end

  -- The store below has workers, and the values are files.
  it("passes through every word to a folder", function()
    local folder = Shell.ram_folder()
    finally(function() Shell.remove(folder) end)
    local made = 0
    local function open()
      made = made + 1
      return weir.fs { path = folder .. "/" .. made, fanout = "16" }
    end
    for _, entry in pairs(WORDS) do
      for op in pairs(Op.atomic) do
        if not entry.refuses then
          local tree = entry[1](open(), open())
          weir.run(function() RUN[op](tree) end)
          tree:close()
        end
      end
    end
  end)

  it("is known of every word", function()
    local missing = {}
    for _, word in ipairs(Policies.names()) do
      local is_word = package.searchpath("weir.policy." .. word, package.path)
      if is_word and not WORDS[word] and not OTHERS[word] then
        missing[#missing + 1] = word
      end
    end
    assert.same({}, missing)
  end)

  it("is denied by readonly", function()
    local _, err = memory():readonly():incr "n"
    assert.equal("denied", err.code)
  end)

  it("is denied by admit, and the value that is there stays", function()
    local store = memory()
    local tree = store:admit(never)
    assert(store:set("k", "old"))
    for _, op in ipairs { "add", "replace", "append" } do
      local _, err = tree[op](tree, "k", "new")
      assert.equal("denied", err.code)
    end
    assert.equal("old", tostring(store:get "k"))
  end)

  it("is sent again only if the first attempt did nothing", function()
    for status, times in pairs { timeout = 1, reset = 1, unavailable = 3, busy = 3 } do
      local host = fake.host()
      local far = script.store(host, "far", { down = status })
      local tree = far:retry { 2, budget = false, on = { status } }
      host:main(function()
        local _, err = tree:incr "n"
        assert.equal(status, err.code)
      end)
      assert.equal(times, far:count "incr", status)
    end
  end)

  it("is sent once for each caller, and once by a hedge", function()
    local host = fake.host()
    local far = script.store(host, "far", { takes = 1 })
    local tree = far:hedge { delay = 0.1, budget = 1 }:coalesce()
    host:main(function()
      for _ = 1, 3 do host.spawn(function() assert(tree:incr "n") end) end
    end)
    assert.equal(3, far:count "incr")
    assert.equal("3", far.data.n)
  end)

  it("that fails does not open a breaker when a condition did not hold", function()
    local store = memory()
    local tree = store:breaker { min = 1, window = 2 }
    assert(tree:add("k", "1"))
    for _ = 1, 20 do assert.is_false(tree:add("k", "2")) end
    assert.equal("closed", tree.state)
  end)

  it("asks the last store of a tier, and deletes the copies above it", function()
    local host = fake.host()
    local top, far = script.store(host, "top"), script.store(host, "far")
    local tree = weir.tier { top, far }
    host:main(function()
      far.data.k, top.data.k = "2", "1" -- the copy is old
      assert.equal(3, tree:incr "k")
      assert.is_nil(top.data.k)
      top.data.k = "1"
      assert.is_false(tree:cas("k", "9", "1"))
      assert.equal("3", tostring(tree:get "k")) -- a loop of get and cas goes on
    end)
    assert.equal(0, top:count "incr")
  end)

  it("whose reply is lost leaves no old copy above", function()
    local host = fake.host()
    local top, far = script.store(host, "top"), script.store(host, "far")
    local tree = weir.tier { top, far }
    host:main(function()
      assert(tree:set("k", "1"))
      far.faults.k = { "timeout" }
      local _, err = tree:incr "k"
      assert.equal("timeout", err.code)
      assert.equal("2", tostring(tree:get "k"))
    end)
  end)

  it("gets the default time of ttl when it creates a value", function()
    local store = memory()
    local tree = store:ttl(100)
    assert(tree:incr "n")
    assert(tree:append("a", "x"))
    assert(tree:add("b", "x", { ttl = 1000 }))
    assert.is_true(store:stat("n").ttl > 90 and store:stat("a").ttl <= 100)
    assert.is_true(store:stat("b").ttl > 900)
  end)

  it("is counted with its bytes", function()
    local tree = memory():meter "m"
    assert(tree:append("k", "12345"))
    assert(tree:take "k")
    local ops = tree:stats()[tree:tree().path].ops
    assert.same({ 5, 5 }, { ops.append.bytes, ops.take.bytes })
  end)
end)


describe("an atomic verb", function()
  local store = memory()

  local function failure(...)
    local ok, err = pcall(...)
    assert.is_false(ok)
    return err
  end

  it("says at the caller which argument is wrong", function()
    assert.matches("atomic_spec.lua:%d+: what incr adds is an integer",
      failure(function() store:incr("n", 1.5) end))
    assert.matches("what incr adds is an integer.*not string",
      failure(function() store:incr("n", "1") end))
    assert.matches("atomic_spec.lua:%d+: what cas expects is the old value, or its "
      .. "version", failure(function() store:cas("n", "x", 17) end))
    assert.matches("delta 2 is an integer",
      failure(function() store:incr_many({ "a", "b" }, { 1, {} }) end))
    assert.matches("atomic_spec.lua:%d+: incr_many: the key \"a\" comes twice",
      failure(function() store:incr_many { "a", "b", "a" } end))
    assert.matches("take has no option", failure(function()
      store:take("a", { ttl = 1 })
    end))
  end)

  it("takes a key twice where doing it twice changes nothing", function()
    assert(store:set("k", "v"))
    local reply = store:gat_many({ "k", "k" }, 10)
    assert.same({ "v", "v" }, { reply:string(1), reply:string(2) })
  end)

  it("gives values the same version in every form", function()
    local version = store:get("k"):version()
    assert.is_true(version == store:get_many({ "k" }):version(1))
    assert.is_true(version == weir.value("v"):version())
    assert.is_nil(store:get_many({ "none" }):version(1))
  end)
end)
