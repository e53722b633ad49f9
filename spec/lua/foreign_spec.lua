-- Words of others that are written in another way here: a policy file that uses one is
-- told how, and that loads. lua/README.md lists the same ones.
local Check = require "weir.language.check"
local fake = require "fake"
local Foreign = require "weir.language.foreign"
local script = require "fake.store"
local weir = require "weir"

local PRELUDE = [[
local a, b, far, old, new = memory {}:limit(9), memory {}:limit(9), memory {},
  memory {}, memory {}
return ]]


describe("a word of others", function()
  after_each(fake.leave)

  it("is answered with how it is written here, as a word and as a method", function()
    for name, meant in pairs(Foreign.MEANT) do
      for _, text in ipairs { "return %s { memory {} }", "return memory {}:%s {}" } do
        local ok, why = pcall(weir.load, assert(loadstring(text:format(name))))
        assert.is_false(ok)
        assert.is_truthy(tostring(why):find("; write " .. meant, 1, true), why)
      end
    end
  end)

  it("has a meaning that loads and passes weir check", function()
    for name, meant in pairs(Foreign.MEANT) do
      local store = weir.load(assert(loadstring(PRELUDE .. meant)))
      local found = Check.run(store)
      assert.is_nil(found[1], found[1] and name .. ": " .. found[1].message)
      store:close { drop = true }
    end
  end)

  it("is in lua/README.md", function()
    local text = assert(io.open "lua/README.md"):read "*a"
    for name, meant in pairs(Foreign.MEANT) do
      local row = ("| `%s` | `%s` |"):format(name, meant)
      assert.is_truthy(text:find(row, 1, true), name)
    end
  end)

  it("stage: fills the new store by what is read, and keeps no old value", function()
    local host = fake.host()
    local old = script.store(host, "old", { data = { k = "1", l = "1" } })
    local new = script.store(host, "new")
    local tree = old:shadow { weir.tier { new, old:readonly() } }
    host:main(function()
      assert.equal("1", tree:get_string "k")
      assert.equal("1", tree:get_string "l")
      host.sleep(1)
      assert.same({ k = "1", l = "1" }, new.data)
      assert(tree:set("k", "2"))
      assert(tree:delete "l")
      host.sleep(1)
      assert.same({}, new.data)
      assert.equal("2", tree:get_string "k")
      host.sleep(1)
      assert.same({ k = "2" }, new.data)
    end)
    assert.same({ k = "2" }, old.data)
  end)
end)
