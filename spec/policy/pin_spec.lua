-- pin: keys whose values other traffic does not evict.

local fake = require "fake"
local script = require "fake.store"
local shell = require "shell"
local weir = require "weir"

local SIZE = 1000


local function ram() return weir.memory { capacity = "64KiB" } end


local function fill(store, front, n)
  for i = 1, n do assert(store:set(front .. i, ("x"):rep(SIZE))) end
end


local function count(store, front, n)
  local found = 0
  for i = 1, n do found = found + (store:exists(front .. i) and 1 or 0) end
  return found
end


local function listed(store, opts)
  local list = {}
  for key in store:scan(opts) do list[#list + 1] = key end
  table.sort(list)
  return table.concat(list, " ")
end


describe("pin", function()
  after_each(fake.leave)

  it("keeps pinned values, whatever else is written", function()
    local store = ram():pin { "sys/", capacity = "64KiB" }
    fill(store, "sys/", 40)
    fill(store, "user/", 1000)
    assert.equal(40, count(store, "sys/", 40))
    assert.is_true(count(store, "user/", 1000) < 64)
    assert.equal(0, store:tally().evictions)
    store:close()
  end)

  it("is soft: over its capacity pinned values evict each other", function()
    local store = ram():pin { "sys/", capacity = "64KiB" }
    fill(store, "user/", 30)
    fill(store, "sys/", 1000)
    local tally = store:tally()
    assert.is_true(tally.evictions > 900 and tally.entries > 20)
    assert.is_true(tally.bytes <= 64 * 1024)
    assert.equal(30, count(store, "user/", 30))
    store:close()
  end)

  it("asks a function, and fails the keys that it fails for", function()
    local below = script.store(fake.host(), "below", { immediate = true })
    local store = below:pin { function(key)
      if key == "bad" then error "no" end
      return #key == 1
    end, capacity = "64KiB" }
    local reply = store:set_many({ "a", "bad", "bb" }, { "1", "2", "3" })
    assert.same({ "ok", "invalid", "ok" }, { reply[1], reply[2], reply[3] })
    assert.equal("pin: the function when failed for the key", reply:error(2).message)
    assert.same({ bb = "3" }, below.data)
    assert.equal("1", store:get_string "a")
    assert.is_true(store:delete "a")
    assert.is_false(store:delete "a")
    store:close()
  end)

  it("does atomic ops where the key is", function()
    local below = ram()
    local store = below:pin { "sys/", capacity = "64KiB" }
    for i = 1, 3 do
      assert.equal(i, store:incr "sys/n")
      local reply = store:incr_many { "sys/m", "m" }
      assert.same({ i, i }, { reply:number(1), reply:number(2) })
    end
    assert.is_false(below:exists "sys/m")
    assert.equal("3", below:get_string "m")
    store:close()
  end)

  it("lists each key where a get finds it", function()
    local below = ram()
    local store = below:pin { "sys/", capacity = "64KiB" }
    for _, key in ipairs { "sys/a", "sys/b", "c", "d" } do
      assert(store:set(key, "v"))
    end
    assert(below:set("sys/old", "left behind"))
    assert.equal("c d sys/a sys/b", listed(store, { page = 1 }))
    assert.equal("sys/a sys/b", listed(store, { prefix = "sys/" }))
    store:close()
  end)

  it("counts, explains and is traced", function()
    local store = ram():pin { "sys/", capacity = "64KiB" }
    assert(store:set("sys/a", "v"))
    store:get_many { "sys/a", "sys/b", "c" }
    local tally = store:tally()
    assert.same({ 1, 1, 1, 65536 }, { tally.hits, tally.misses, tally.entries,
      tally.limit })
    assert.matches("is pinned", tostring(store:explain("get", "sys/a")))
    assert.matches("is not pinned", tostring(store:explain("get", "a")))
    assert.equal("memory", store:trace("sys/a")[2].path)
    assert.matches('weir_pin_bytes{node="pin"} %d', weir.prometheus(store))
    store:close()
    assert.equal("skipped", select(2, store:get "sys/a").code)
  end)

  it("is refused with a sentence that says why", function()
    for why, given in pairs {
      ["pin: needs a prefix"] = { capacity = "1MiB" },
      ["pin: needs capacity = "] = { "a" },
      ["pin: capacity: memory: option capacity"] = { "a", capacity = 7 },
      ["pin: when is a prefix of keys, or a function"] = { "", capacity = "1MiB" },
    } do
      assert.error_matches(function() ram():pin(given) end, why, 1, true)
    end
    assert.error_matches(function()
      weir.tier { ram():pin { "a", capacity = "1MiB" }, ram(), demote = weir.always }
    end, "a prefix or a pin", 1, true)
  end)

  it("keeps its values when the file is reloaded, and if that is undone", function()
    local path = os.tmpname()
    local text = 'return memory { capacity = "1MiB" }:pin { "sys/", capacity = "1MiB" }'
    shell.write(path, text)
    local handle = weir.load(path)
    assert(handle:set("sys/a", "v"))
    shell.write(path, (text:gsub("1MiB", "2MiB", 1)))
    assert(handle:reload())
    assert.equal("v", handle:get_string "sys/a")
    assert(handle:set("sys/a", "new"))
    assert(handle:undo())
    assert.equal("new", handle:get_string "sys/a")
    shell.write(path, (text:gsub('"1MiB" }$', '"2MiB" }')))
    assert(handle:reload())
    assert.is_nil(handle:get "sys/a")
    handle:close()
    os.remove(path)
  end)

  it("pins for all tenants of a quota together", function()
    local store = weir.quota { by = "^([^:]+):", default = "64KiB" }
      :pin { function(key) return key:find(":sys/", 1, true) ~= nil end,
        capacity = "64KiB" }
    fill(store, "a:sys/", 5)
    fill(store, "b:", 500)
    fill(store, "a:", 500)
    assert.equal(5, count(store, "a:sys/", 5))
    store:close()
  end)
end)
