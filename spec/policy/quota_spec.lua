-- quota: a memory for each tenant. What belongs to one is never lost to others.
-- luacheck: globals quota

local fake = require "fake"
local Run = require "weir.replay.run"
local script = require "fake.store"
local shell = require "shell"
local weir = require "weir"

local KIB = 1024
local BY = "^([^:]+):"


-- The keys of a scan, sorted.
local function listed(store, opts)
  local list = {}
  for key in store:scan(opts) do list[#list + 1] = key end
  table.sort(list)
  return table.concat(list, " ")
end


local function make(options)
  options.by, options.default = options.by or BY, options.default or "64KiB"
  return weir.quota(options)
end


local function set_all(store, keys)
  for _, key in ipairs(keys) do assert(store:set(key, "value of " .. key)) end
end


-- ---- random traffic of many tenants ----

-- A small tenant has so few keys that they fit its quota whatever a key costs. A large
-- one writes many times its quota.
local function random_tenants(random)
  local tenants = {}
  for i = 1, 6 + math.floor(random() * 6) do
    local small = i <= 3 or random() < 0.5
    tenants[i] = { name = "t" .. i, small = small, has = {},
      keys = small and 1 + math.floor(random() * 60) or 4000 }
  end
  return tenants
end


local function random_keys(random, tenants)
  local keys, values, owners, seen = {}, {}, {}, {}
  for _ = 1, 1 + math.floor(random() * 40) do
    local tenant = tenants[1 + math.floor(random() * #tenants)]
    local key = ("%s:%d"):format(tenant.name, math.floor(random() * tenant.keys))
    if not seen[key] then
      seen[key], owners[#keys + 1] = true, tenant
      keys[#keys + 1] = key
      values[#keys] = ("v"):rep(1 + math.floor(random() * 500)) .. #keys
    end
  end
  return keys, values, owners
end


local function check_read(store, keys, owners, seed)
  local reply = store:get_many(keys)
  for i, key in ipairs(keys) do
    local want, got = owners[i].has[key], reply:string(i)
    if owners[i].small or got then
      assert.equal(want, got, ("seed %d: %s"):format(seed, key))
    end
  end
end


-- One step: a batch or single calls that set, delete or read.
local function step(random, store, tenants, seed)
  local keys, values, owners = random_keys(random, tenants)
  local chance = random()
  if chance < 0.1 then
    store:delete_many(keys)
    for i, key in ipairs(keys) do owners[i].has[key] = nil end
  elseif chance < 0.6 then
    assert.is_true(store:set_many(keys, values):all "good")
    for i, key in ipairs(keys) do owners[i].has[key] = values[i] end
  elseif chance < 0.7 then
    for i, key in ipairs(keys) do
      assert(store:set(key, values[i]))
      owners[i].has[key] = values[i]
    end
  else
    check_read(store, keys, owners, seed)
  end
end


local function play(seed)
  local random = fake.generator(seed)
  local tenants, store = random_tenants(random), make {}
  for _ = 1, 400 do step(random, store, tenants, seed) end
  local tally = store:tally()
  for _, tenant in ipairs(tenants) do
    for key, value in pairs(tenant.small and tenant.has or {}) do
      assert.equal(value, store:get_string(key), ("seed %d: %s"):format(seed, key))
    end
    local evictions = tally.evictions[tenant.name] or 0
    assert.equal(tenant.small, evictions == 0,
      ("seed %d: %s"):format(seed, tenant.name))
    assert.is_true((tally.bytes[tenant.name] or 0) <= 64 * KIB)
  end
  store:close()
end


describe("a quota", function()
  after_each(fake.leave)

  it("loses nothing of a tenant below its quota, whatever others write", function()
    for seed = 1, 30 do play(seed) end
  end)

  it("gives each tenant the quota of its own", function()
    local store = make { big = "1MiB", tenants = { by = "128KiB" } }
    for _, tenant in ipairs { "big", "small", "by" } do
      for i = 1, 400 do store:set(tenant .. ":" .. i, ("x"):rep(1000)) end
    end
    local tally = store:tally()
    assert.same({ big = 1024 * KIB, small = 64 * KIB, by = 128 * KIB,
      ["(none)"] = 64 * KIB }, tally.limit)
    assert.equal(400, tally.entries.big)
    assert.is_true(tally.entries.small < 64 and tally.entries.by < 128)
    store:close()
  end)

  it("takes memory's options, those of default for all", function()
    local store = make { default = { capacity = "1MiB", capacity_items = 2,
      eviction = "fifo" }, wide = { capacity_items = 3 } }
    for i = 1, 5 do set_all(store, { "wide:" .. i, "x:" .. i }) end
    assert.equal("wide:3 wide:4 wide:5 x:4 x:5", listed(store))
    store:close()
  end)

  it("keeps keys without a tenant in a memory of their own", function()
    local store = make {}
    set_all(store, { "plain", "a:1", ":" })
    for i = 1, 400 do store:set("a:" .. i, ("x"):rep(1000)) end
    assert.equal("value of plain", store:get_string "plain")
    assert.equal(2, store:tally().entries["(none)"])
    store:close()
  end)

  it("lets tenants over max_tenants share one memory, and counts them", function()
    local store = make { max_tenants = 2, named = "64KiB" }
    set_all(store, { "a:1", "b:1", "c:1", "d:1", "named:1", "c:2" })
    local tally = store:tally()
    assert.same({ 3, 3 }, { tally.tenants, tally.over_max_tenants })
    assert.equal(3, tally.entries["(others)"])
    for _, key in ipairs { "a:1", "b:1", "c:1", "d:1", "named:1", "c:2" } do
      assert.equal("value of " .. key, store:get_string(key))
    end
    assert.is_true(store:delete "c:1")
    assert.is_nil(store:get "c:1")
    assert.equal("c:2", listed(store, { prefix = "c:" }))
    store:close()
  end)

  it("does atomic ops in the memory of the tenant", function()
    local store = make {}
    for i = 1, 3 do
      assert.equal(i, store:incr "a:n")
      local reply = store:incr_many { "a:m", "b:m", "m" }
      for slot = 1, 3 do assert.equal(i, reply:number(slot)) end
    end
    assert.is_true(store:add("c:1", "v"))
    assert.is_false(store:add("c:1", "other"))
    local entries = store:tally().entries
    assert.same({ a = 2, b = 1, c = 1, ["(none)"] = 1 }, entries)
    assert.equal("3", store:get_string "a:m")
    store:close()
  end)

  it("opens no memory for a tenant that only reads", function()
    local store = make {}
    assert.is_nil(store:get "a:1")
    assert.is_false(store:delete "a:1")
    assert.is_false(store:touch("a:1", 5))
    assert.equal("miss", store:get_many({ "a:1", "b:1" })[2])
    assert.equal(0, store:tally().tenants)
    store:close()
  end)

  it("asks a function, and fails only the keys that it fails for", function()
    local store = make { by = function(key)
      if key == "bad" then error("no", 0) end
      if key == "odd" then return {} end
      return key:match "@(.*)$"
    end }
    local keys = { "k@a", "bad", "k", "odd", "k@b" }
    local reply = store:set_many(keys, keys)
    assert.same({ "ok", "failed", "ok", "failed", "ok" }, { unpack(reply, 1, 5) })
    assert.equal("quota: by failed: no", reply:error(2).message)
    assert.equal("quota: by returned a table, not a tenant or nil",
      reply:error(4).message)
    local _, err = store:get "bad"
    assert.same({ "failed", "quota: by failed: no" }, { err.code, err.message })
    assert.equal("k k@a k@b", listed(store))
    store:close()
  end)

  it("finds tenants by patterns of every shape", function()
    for pattern, want in pairs {
      ["^([^:]+):"] = "a", ["^(.-):"] = "a", ["^([^:]*):"] = "a", ["^%w+"] = "a",
      [":(%w+)$"] = "c", ["([^:]+):[^:]+$"] = "b", ["^([^%.]+)%."] = "(none)",
      ["^([^.]+)."] = "a:b:",
    } do
      local store = make { by = pattern }
      assert(store:set("a:b:c", "v"))
      assert.equal(1, store:tally().entries[want], pattern)
      store:close()
    end
  end)

  it("is refused with a sentence that says why", function()
    for why, given in pairs {
      ["quota: needs by = a pattern"] = { default = "1MiB" },
      ["quota: needs default = "] = { by = BY },
      ['did you mean "max_tenants"'] = { by = BY, default = "1MiB", max_tenant = 7 },
      ['the quota of "a": memory: option capacity'] = { by = BY, default = "1MiB",
        a = 1 },
      ['quota: default: memory: no option is named "evction"'] = { by = BY,
        default = { capacity = "1MiB", evction = "lru" } },
      ["max_tenants is a whole number from 1 to 10000"] = { by = BY, default = "1MiB",
        max_tenants = 1e6 },
      ["is no Lua pattern"] = { by = "(", default = "1MiB" },
      ["or a function from a key to its tenant, not 7"] = { by = 7, default = "1MiB" },
      ["a tenant is a name, not 1"] = { by = BY, default = "1MiB", "2MiB" },
      ["needs a capacity"] = { by = BY, default = {} },
    } do
      assert.error_matches(function() weir.quota(given) end, why, 1, true)
    end
  end)

  it("says that no memory could be opened, and goes on without", function()
    local opened = 0
    local store = weir.load(function() return quota { by = BY, default = "64KiB" } end,
      { stores = { memory = function(options)
        opened = opened + 1
        if opened == 2 then error("no address space", 0) end
        return weir.memory(options)
      end } })
    local reply = store:set_many({ "a:1", "plain" }, { "1", "2" })
    assert.same({ "failed", "ok" }, { reply[1], reply[2] })
    assert.equal("quota: no address space", reply:error(1).message)
    assert(store:set("a:1", "1"))
    assert.equal(1, store:stats().quota.unopened)
    store:close()
  end)

  it("lists every key once, a page at a time", function()
    local store, want = make { by = "^(.-):" }, {}
    for t = 1, 150 do
      for i = 1, t % 3 do want[#want + 1] = ("t%d:%d"):format(t, i) end
    end
    set_all(store, want)
    for t = 1, 150, 3 do store:delete(("t%d:1"):format(t)) end
    local left = {}
    for _, key in ipairs(want) do
      if store:exists(key) then left[#left + 1] = key end
    end
    table.sort(left)
    assert.equal(table.concat(left, " "), listed(store, { page = 1 }))
    assert.equal("t2:1 t2:2", listed(store, { prefix = "t2:" }))
    store:close()
  end)

  it("explains where a key is, and is traced", function()
    local store = make {}
    set_all(store, { "a:1" })
    assert.matches("the memory of a, 64 KiB", tostring(store:explain("get", "a:1")))
    assert.matches("no tenant: %(none%)", tostring(store:explain("get", "x")))
    assert.matches("b has written nothing: a miss", tostring(store:explain("get",
      "b:1")))
    assert.matches("opens a memory for b", tostring(store:explain("set", "b:1")))
    local steps = store:trace "a:1"
    assert.same({ "quota", "memory" }, { steps[1].path, steps[2].path })
    store:close()
    assert.equal("skipped", select(2, store:get "a:1").code)
    assert.equal("skipped", select(2, store:set("new:1", "v")).code)
  end)
end)


describe("a quota in a tier", function()
  local host, low
  before_each(function()
    host = fake.host()
    low = script.store(host, "low")
  end)
  after_each(fake.leave)

  it("gets copies, and loses those that are written below", function()
    local tree = weir.tier { make {}, low, write = "around" }
    host:main(function()
      low.data = { ["a:1"] = "1", b = "2" }
      assert.equal("1", tree:get_string "a:1")
      assert.equal("2", tree:get_string "b")
      host.sleep(1)
      assert.equal("a:1 b", listed(tree.children[1]))
      assert(tree:set("a:1", "new"))
      assert.equal("", listed(tree.children[1], { prefix = "a:" }))
      assert.equal("new", tree:get_string "a:1")
    end)
    tree:close()
  end)

  it("writes down what a tenant evicts, and nothing of the others", function()
    local top = make { default = { capacity = "1MiB", capacity_items = 2,
      eviction = "fifo" } }
    local tree = weir.tier { top, low, demote = weir.always }
    host:main(function()
      set_all(tree, { "b:1", "a:1", "a:2" })
      low.data = {}
      local keys = { "a:3", "b:2", "a:4" }
      assert.is_true(tree:set_many(keys, keys):all "good")
      host.sleep(1)
    end)
    assert.same({ ["a:1"] = "value of a:1", ["a:2"] = "value of a:2", ["a:3"] = "a:3",
      ["a:4"] = "a:4", ["b:2"] = "b:2" }, low.data)
    tree:close()
  end)

  it("shares the values with the store below as an exclusive pair", function()
    local top = make { default = { capacity = "1MiB", capacity_items = 1,
      eviction = "fifo" } }
    local tree = weir.tier { top, low, demote = weir.always, exclusive = true }
    local keys = { "a:1", "a:2", "b:1", "a:3" }
    host:main(function()
      set_all(tree, keys)
      for _ = 1, 3 do
        for _, key in ipairs(keys) do
          assert.equal("value of " .. key, tree:get_string(key))
          host.sleep(0.1)
        end
      end
    end)
    tree:close()
  end)
end)


describe("a quota that is reloaded", function()
  local path
  before_each(function() path = os.tmpname() end)
  after_each(function() os.remove(path) end)

  local function reload(handle, text)
    shell.write(path, text)
    if not handle then return weir.load(path) end
    assert(handle:reload())
    return handle
  end

  local A = 'return quota { by = "^([^:]+):", default = "1MiB", b = "2MiB" }'

  it("keeps the values, and so does an undo", function()
    for _, texts in ipairs {
      { A, A .. " -- the same" },
      { A, A:gsub(", b", ", max_tenants = 7, b") },
      { A:gsub('"^.*:"', "function(key) return key:match '^(.-):' end"),
        A:gsub('"^.*:"', "function(key) return key:match '^(.-):' end") .. "\n" },
      { A .. ':meter "m"', A:gsub("1MiB", "1024KiB") .. ':meter "m"' },
    } do
      local handle = reload(nil, texts[1])
      set_all(handle, { "a:1", "b:1", "c" })
      reload(handle, texts[2])
      assert.equal("a:1 b:1 c", listed(handle))
      assert(handle:set("a:1", "new"))
      assert(handle:undo())
      assert.equal("new", handle:get_string "a:1")
      assert.equal("value of c", handle:get_string "c")
      handle:close()
      assert.equal("skipped", select(2, handle:get "a:1").code)
    end
  end)

  it("keeps the values when older versions are closed", function()
    local handle = reload(nil, A)
    set_all(handle, { "a:1" })
    for i = 1, 5 do
      reload(handle, A:gsub(", b", (", max_tenants = %d, b"):format(i)))
      assert.equal("value of a:1", handle:get_string "a:1")
    end
    handle:close()
  end)

  it("empties the memory of a tenant whose quota changes, and no other", function()
    local handle = reload(nil, A)
    set_all(handle, { "a:1", "b:1", "c" })
    reload(handle, A:gsub("2MiB", "3MiB"))
    assert.equal("a:1 c", listed(handle))
    assert.equal(3 * 1024 * KIB, handle:stats().quota.limit.b)
    assert(handle:set("b:1", "new"))
    assert(handle:undo())
    -- Not the old value: others may have written it meanwhile.
    assert.is_nil(handle:get "b:1")
    assert.equal("value of a:1", handle:get_string "a:1")
    handle:close()
  end)

  it("starts empty when keys may belong to other tenants", function()
    local handle = reload(nil, A)
    set_all(handle, { "a:1" })
    reload(handle, A:gsub(":", "/", 2))
    assert.equal("", listed(handle))
    handle:close()
  end)

  it("closes the memories with the file that has none any more", function()
    local handle = reload(nil, A)
    local old = handle.version.root
    set_all(handle, { "a:1" })
    reload(handle, "return memory {}")
    assert.equal("value of a:1", old:get_string "a:1")
    reload(handle, "return memory {} -- again")
    assert.equal("skipped", select(2, old:get "a:1").code)
    handle:close()
  end)
end)


describe("the statistics of a quota", function()
  it("list the largest tenants, and sum the rest", function()
    local store = make { listed = 2 }
    for t = 1, 5 do
      for i = 1, t do assert(store:set(("t%d:%d"):format(t, i), ("x"):rep(500))) end
    end
    local tally = store:tally()
    assert.same({ t5 = 5, t4 = 4, ["(rest)"] = 6 }, tally.entries)
    assert.equal(64 * KIB * 4, tally.limit["(rest)"])
    store:close()
  end)

  it("never count back, and miss nothing", function()
    local random = fake.generator(7)
    local store, last = make { listed = 2 }, {}
    local gets = 0
    for _ = 1, 60 do
      for _ = 1, 40 do
        local key = ("t%d:%d"):format(random() * 8, random() * 200)
        if random() < 0.5 then store:set(key, ("x"):rep(random() * 900)) end
        store:get(key)
        gets = gets + 1
      end
      local tally = store:tally()
      local sum = 0
      for _, name in ipairs { "hits", "misses", "evictions" } do
        for label, n in pairs(tally[name]) do
          local id = name .. label
          assert.is_true(n >= (last[id] or 0), id)
          last[id] = n
          sum = sum + (name ~= "evictions" and n or 0)
        end
      end
      -- A tenant that is listed later brings what the rest has counted of it.
      assert.is_true(sum >= gets)
    end
    store:close()
  end)

  it("count hits, misses and evictions by tenant", function()
    local store = make {}
    for i = 1, 200 do store:set("a:" .. i, ("x"):rep(1000)) end
    set_all(store, { "b:1" })
    store:get_many { "b:1", "b:2", "b:1", "c:1", "a:200" }
    local tally = store:tally()
    assert.same({ 1, 1, 1 }, { tally.hits.a, tally.hits.b, tally.misses.b })
    assert.is_true(tally.evictions.a > 100)
    assert.equal(0, tally.evictions.b)
    store:close()
  end)

  it("have a bounded number of labels, whatever the tenants are called", function()
    local store = make { listed = 5, by = "^(.-):", max_tenants = 500 }
    local names = { 'a"b', "a\nb", "a\\b", "a\0b", "\255\254", "(rest)", "(x)", "",
      "a%22b", ("long"):rep(100), ("long"):rep(101), "b\195\188ro", "\27[31m" }
    for i = 1, 300 do names[#names + 1] = "t" .. i end
    local seen = {}
    for _, only in ipairs { 1, 50, 300 } do
      for i, name in ipairs(names) do
        if i % only == 0 or i <= 13 then
          for k = 1, 14 - math.min(i, 13) do
            assert(store:set(name .. ":" .. k, "v"))
          end
        end
      end
      local n = 0
      for line in weir.prometheus(store):gmatch "[^\n]+" do
        if line:match "^weir_quota_bytes" then n = n + 1 end
        local label = line:match '^weir_quota_%w+{node="quota",tenant="(.-)"}'
        if label then
          assert.is_nil(label:find '[%c"\\]', label)
          assert.is_true(#label <= 200)
        end
        assert.is_nil(not line:match "^#" and seen[only .. line:match "^%S+"] or nil)
        seen[only .. line:match "^%S+"] = true
      end
      assert.equal(6, n)
    end
    store:close()
  end)

  it("give no two tenants one label", function()
    local label = require("weir.policy.quota.usage").label
    local names, seen = { "", "%", "%25", "a\"", "a%22", "(rest)", "%28rest)", "\255",
      "%FF", ("x"):rep(65), ("x"):rep(66), "b\195\188ro", "a b", "(none)" }, {}
    for _, name in ipairs(names) do
      assert.is_nil(seen[label(name)], name)
      seen[label(name)] = true
    end
    assert.equal("b\195\188ro", label "b\195\188ro")
    assert.equal("%C3a%BC", label "\195a\188")
    assert.equal("\240\159\140\138", label "\240\159\140\138")
    assert.equal("%ED%A0%80", label "\237\160\128")
    assert.equal("(none)", label "(none)")
    assert.equal("%28rest)", label "(rest)")
  end)
end)


describe("a quota in a replay", function()
  it("counts each memory, in virtual time", function()
    local folder = shell.folder()
    local lines = { "time,key,size" }
    for i = 1, 200 do
      lines[#lines + 1] = ("%d,a:%d,1000"):format(i, i)
      lines[#lines + 1] = ("%d,b:%d,1000"):format(i, i % 5)
    end
    shell.write(folder .. "/t.csv", table.concat(lines, "\n") .. "\n")
    shell.write(folder .. "/p.lua", 'return tier { quota { by = "^(.-):", '
      .. 'default = "64KiB" }, fs { path = "/nowhere" }, demote = always }')
    local report = Run.simulate(folder .. "/p.lua", { folder .. "/t.csv" }, {})
    assert.same({ 400, 195 }, { report.keys, report.hits })
    local labels = {}
    for i, store in ipairs(report.stores) do labels[i] = store.label end
    table.sort(labels)
    assert.equal("fs memory memory#2 memory#3", table.concat(labels, " "))
    local evictions = report.policies["[1].demote.quota"].evictions
    assert.is_true(evictions.a > 100 and evictions.b == 0)
    shell.remove(folder)
  end)
end)
