local ffi = require "ffi"
local Reply = require "weir.core.reply"
local scripted = require "scripted"
local Store = require "weir.core.store"
local weir = require "weir"


describe("scan", function()
  local store

  before_each(function()
    store = weir.memory { capacity = "16MiB" }
    for i = 1, 1000 do store:set("a" .. i, ("v"):rep(i % 7)) end
    for i = 1, 10 do store:set("b" .. i, "v", { ttl = 100 }) end
  end)

  after_each(function() store:close() end)

  it("walks every key under a prefix once, whatever the page", function()
    for _, page in ipairs { 1, 7, 512, 5000 } do
      local seen, count = {}, 0
      for key, info in store:scan { prefix = "a", page = page } do
        assert.is_nil(seen[key])
        seen[key], count = true, count + 1
        assert.equal(tonumber(key:sub(2)) % 7, info.size)
        assert.is_nil(info.ttl)
      end
      assert.equal(1000, count)
    end
  end)

  it("tells the time left to live", function()
    for _, info in store:scan { prefix = "b" } do
      assert.is_true(info.ttl > 99 and info.ttl <= 100)
    end
  end)

  it("leaves out what the store does not know", function()
    local unknown = 0xffffffffffffffffULL
    local head = ffi.new("struct weir_scan_entry", { unknown, unknown, 1 })
    local page = ffi.string(head, ffi.sizeof(head)) .. "k" .. ("\0"):rep(7)
    local vague = Store.new {
      run = function(_, req)
        local reply = Reply.new(req)
        reply:set(1, "ok", { value = page })
        return reply
      end,
    }
    local key, info = vague:scan()()
    assert.same({ "k", {} }, { key, info })
  end)

  it("ends at its limit", function()
    local count = 0
    for _ in store:scan { limit = 10 } do count = count + 1 end
    assert.equal(10, count)
  end)

  it("finds nothing under a prefix that no key has", function()
    for key in store:scan { prefix = "none" } do error(key) end
  end)

  it("raises an error on the way: a loop that ends early would look whole", function()
    local steps = store:scan { page = 10 }
    steps()
    store:close()
    local ok, err = pcall(function() for _ = 1, 2000 do steps() end end)
    assert.is_false(ok)
    assert.equal("skipped", err.code)
  end)

  it("says when a store cannot", function()
    local other = scripted.open()
    local ok, err = pcall(other:scan())
    assert.is_false(ok)
    assert.equal("unsupported", err.code)
    other:close()
  end)

  it("refuses bad options at the caller", function()
    for _, opts in ipairs { { limit = 0 }, { page = "x" }, { perfix = "a" },
      { prefix = 5 }, "a" } do
      local ok, why = pcall(function() store:scan(opts) end)
      assert.is_false(ok)
      assert.matches("scan_spec.lua:%d+:", why)
    end
  end)
end)
