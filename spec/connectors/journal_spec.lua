-- The connector that write-back keeps its journal with.
local shell = require "shell"
local weir = require "weir"

describe("the connector journal", function()
  local folder
  before_each(function() folder = shell.folder() end)
  after_each(function() shell.remove(folder) end)

  local function with(options, fn)
    options.path = folder .. "/j"
    weir.run(function()
      local store = weir.journal(options)
      fn(store)
      assert(store:close())
    end)
  end

  it("adds what is set, reads the whole, and removes it", function()
    for _, sync in ipairs { "none", "data" } do
      with({ sync = sync }, function(store)
        assert.is_nil(store:get "0")
        assert(store:set("0", "one"))
        assert(store:set("1", "x"))
        assert(store:set("0", ("y"):rep(3000000)))
        assert(store:set("0", ""))
        assert.equal("one" .. ("y"):rep(3000000), tostring(store:get "0"))
        local buffer = require("ffi").new "uint8_t[8]"
        assert.equal(1, store:get_into("1", buffer))
        assert.equal(("x"):byte(), buffer[0])
        assert.equal("toobig", select(2, store:get_into("0", buffer)).code)
        assert.is_true(store:delete "0")
        assert.is_false(store:delete "0")
        assert.is_nil(store:get "0")
        assert(store:set("0", "two"))
        assert.equal("two", tostring(store:get "0"))
      end)
      with({ sync = sync }, function(store)
        assert(store:set("0", "three"))
        assert.equal("twothree", tostring(store:get "0"))
        assert(store:delete "0")
        assert(store:delete "1")
      end)
    end
  end)

  it("does not let its lock be written or removed as a key", function()
    with({}, function(store)
      for _, reply in ipairs { { store:set("lock", "x") }, { store:get "lock" },
        { store:delete "lock" } } do
        assert.is_nil(reply[1])
        assert.equal("invalid", reply[2].code)
        assert.matches("lock", reply[2].message)
      end
    end)
    assert.equal(0, shell.run(("test -e '%s/j/lock' && test ! -s '%s/j/lock'")
      :format(folder, folder)))
  end)

  it("keeps the order of a caller's sets", function()
    with({}, function(store)
      for i = 1, 300 do weir.spawn(function() assert(store:set("0", i .. ",")) end) end
      local want = {}
      for i = 1, 300 do want[i] = i .. "," end
      local text
      repeat
        weir.sleep(0.01)
        text = tostring(store:get "0")
      until select(2, text:gsub(",", "")) == 300
      assert.equal(table.concat(want), text)
    end)
  end)

  it("takes plain names of files for keys only", function()
    with({}, function(store)
      for _, key in ipairs { "../x", "a/b", ".hidden", "a\0b" } do
        assert.equal("invalid", select(2, store:set(key, "1")).code)
        assert.equal("invalid", select(2, store:get(key)).code)
        assert.equal("invalid", select(2, store:delete(key)).code)
      end
      assert.equal("unsupported", select(2, store:exists "0").code)
    end)
  end)

  it("adds a value whole or not at all when the disk is full", function()
    shell.write(folder .. "/full.lua", ([[
      local weir = require "weir"
      weir.run(function()
        local store = weir.journal { path = %q }
        assert(store:set("0", ("a"):rep(40000)))
        local _, err = store:set("0", ("b"):rep(40000))
        print(err.code, (tostring(err):gsub("^.*/j/0: ", "j/0: ")))
        assert(store:set("0", "c"))
        print(#tostring(store:get "0"), tostring(store:get "0"):sub(-2))
      end)]]):format(folder .. "/j"))
    -- 100 blocks of 512 bytes; the signal that comes with it is ignored.
    local _, out, err = shell.run("sh -c 'trap \"\" XFSZ; ulimit -f 100; "
      .. "exec build/weir run " .. folder .. "/full.lua'")
    assert.equal("nospace\tj/0: File too large\n40001\tac\n", out .. err)
  end)

  it("says what is wrong with its folder", function()
    weir.run(function()
      local store = weir.journal { path = "/proc/nowhere/j" }
      local _, err = store:set("0", "1", { timeout = 5 })
      assert.equal("unavailable", err.code)
      assert.matches("/proc/nowhere/j: No such file", err.message)
      store:close { drop = true }
    end)
  end)
end)
