-- origin: a store made of a function, alone and as the last tier.
local Check = require "weir.language.check"
local fake = require "fake"
local ffi = require "ffi"
local script = require "fake.store"
local weir = require "weir"

local host, calls
local function setup_host() host, calls = fake.host(), {} end

-- An origin that knows some values and notes the keys that it is asked for.
local function database(rows)
  return weir.origin(function(keys)
    calls[#calls + 1] = table.concat(keys, ",")
    local found = {}
    for _, key in ipairs(keys) do found[key] = rows[key] end
    return found
  end)
end

describe("origin", function()
  before_each(setup_host)
  after_each(fake.leave)

  it("is asked once for all keys that the stores above do not have", function()
    local top = script.store(host, "top", { data = { a = "1" } })
    local tree = weir.tier { top, database { b = "2", c = "3" } }
    host:main(function()
      local reply = tree:get_many { "a", "b", "c", "d", "b" }
      assert.same({ "ok", "ok", "ok", "miss", "ok" }, { unpack(reply, 1, 5) })
      assert.same({ "1", "2", "3" },
        { reply:string(1), reply:string(2), reply:string(3) })
    end)
    assert.same({ "b,c,d" }, calls)
    assert.same({ "2", "3" }, { top.data.b, top.data.c })
  end)

  it("reads into buffers and answers exists", function()
    local store, buffer = database { a = "123" }, ffi.new "char[8]"
    host:main(function()
      assert.equal(3, store:get_into("a", buffer))
      assert.equal("123", ffi.string(buffer, 3))
      local _, err = store:get_into("a", ffi.new "char[2]")
      assert.same({ "toobig", 3 }, { err.code, err.size })
      assert.is_true(store:exists "a")
      assert.is_false(store:exists "b")
    end)
  end)

  it("is unsupported for what a function cannot do", function()
    local store = database {}
    host:main(function()
      for _, op in ipairs { "delete", "stat" } do
        assert.equal("unsupported", select(2, store[op](store, "a")).code)
      end
      assert.equal("unsupported", select(2, store:set("a", "1")).code)
      assert.equal("unsupported", select(2, store:touch("a", 1)).code)
    end)
    assert.same({}, calls)
  end)

  it("tells errors slot by slot", function()
    local store = weir.origin(function()
      return { a = "1" }, { b = "the shard of b is down" }
    end)
    host:main(function()
      local reply = store:get_many { "a", "b", "c" }
      assert.same({ "ok", "failed", "miss" }, { reply[1], reply[2], reply[3] })
      assert.equal("origin: the shard of b is down", reply:error(2).message)
    end)
  end)

  it("fails all keys when the function fails, and says why", function()
    for _, case in ipairs {
      { function() error("no route to host", 0) end, "origin: no route to host" },
      { function() error({}) end, "origin: table: " },
      { function() return nil, "gone" end, "origin: gone" },
      { function() end, "origin: it failed" },
      { function() return "text" end, "a table of values by key, not string" },
      { function() return { "1", "2" } end, "not a list" },
      { function() return {}, "text" end, "a table of errors by key, not string" },
      { function() return { a = 7, b = 7 } end, "not number; use tostring(7)" },
    } do
      host:main(function()
        local reply = weir.origin(case[1]):get_many { "a", "b" }
        assert.same({ "failed", "failed" }, { reply[1], reply[2] })
        assert.matches(case[2], reply:error(1).message, 1, true)
      end)
    end
  end)

  it("fails one key whose value has a wrong type", function()
    local store = weir.origin(function() return { a = 7, b = "2" } end)
    host:main(function()
      local reply = store:get_many { "a", "b" }
      assert.same({ "failed", "ok" }, { reply[1], reply[2] })
    end)
  end)

  it("keeps the deadline when the function hangs", function()
    local store = weir.origin(function() host.sleep(3600) end)
    host:main(function()
      local begun = host.now()
      local _, err = store:get("a", { timeout = 1 })
      assert.same({ "timeout", 1 }, { err.code, host.now() - begun })
      assert.equal(1, store:tally().late)
    end)
  end)

  it("is loaded once for many readers below coalesce", function()
    local n = 0
    local store = weir.origin(function()
      n = n + 1
      host.sleep(0.1)
      return { a = "1" }
    end):coalesce()
    local good = 0
    host:main(function()
      for _ = 1, 1000 do
        host.spawn(function()
          if store:get "a" then good = good + 1 end
        end)
      end
    end)
    assert.same({ 1, 1000 }, { n, good })
  end)

  it("is known to explain, and to weir check where it stands too high", function()
    local store = database {}
    assert.matches("calls its function", tostring(store:explain("get", "a")))
    local found = Check.run(weir.tier { store:retry {}, weir.memory {} })
    assert.equal(1, #found)
    assert.matches("[1] is an origin", found[1].message, 1, true)
    assert.same({}, Check.run(weir.tier { weir.memory {}, store:retry {} }))
  end)
end)
