local ffi = require "ffi"
local fake = require "fake"
local script = require "fake.store"
local weir = require "weir"

for _, word in ipairs { "timeout", "deadline" } do
  describe(word, function()
    local host
    before_each(function() host = fake.host() end)
    after_each(fake.leave)

    it("ends what takes longer, and lets through what does not", function()
      local far = script.store(host, "far", { takes = 1, data = { k = "v" } })
      host:main(function()
        local begun = host.now()
        assert.equal("timeout", select(2, far[word](far, 0.5):get "k").code)
        assert.equal(0.5, host.now() - begun)
        assert.equal("v", tostring(far[word](far, "2s"):get "k"))
      end)
    end)

    it("leaves a store behind that keeps no deadline", function()
      local deaf = script.store(host, "deaf", { takes = 9, deaf = true })
      host:main(function()
        local begun = host.now()
        assert.equal("timeout", select(2, deaf[word](deaf, 1):get "k").code)
        assert.near(1, host.now() - begun, 0.05)
      end)
    end)

    it("keeps the slots that were answered", function()
      local fast = script.store(host, "fast", { data = { a = "1" } })
      local slow = script.store(host, "slow", { takes = 9 })
      local tree = weir.route { a = fast, default = slow }
      host:main(function()
        local reply = tree[word](tree, 1):get_many { "a", "b" }
        assert.same({ "ok", "timeout" }, { reply[1], reply[2] })
      end)
    end)

    it("keeps them when the others end a moment after their time", function()
      local fast = script.store(host, "fast", { data = { a = "1" } })
      local slow = script.store(host, "slow", { takes = 9 })
      local tree = weir.route { a = fast, default = slow }
        :tap(function() host.sleep(0.02) end)
      host:main(function()
        for _, late in ipairs { tree, tree:coalesce(), tree:limit { 9 } } do
          local reply = late[word](late, 1):get_many { "a", "b" }
          assert.same({ "ok", "timeout" }, { reply[1], reply[2] })
        end
      end)
    end)

    it("only shortens what the caller gave", function()
      local far = script.store(host, "far", { takes = 1 })
      host:main(function()
        local begun = host.now()
        far[word](far, 5):get("k", { timeout = 0.25 })
        assert.equal(0.25, host.now() - begun)
      end)
    end)

    it("sends nothing when there is no time left", function()
      local far = script.store(host, "far")
      host:main(function()
        local _, err = far[word](far, 5):get("k", { deadline = host.now() - 1 })
        assert.equal("skipped", err.code)
      end)
      assert.equal(0, far.calls)
    end)

    it("reads into the caller's buffer through a task of its own", function()
      local deaf = script.store(host, "deaf", { deaf = true, data = { k = "value" } })
      local buffer = ffi.new "char[8]"
      host:main(function()
        assert.equal(5, deaf[word](deaf, 1):get_into("k", buffer))
        assert.equal("toobig",
          select(2, deaf[word](deaf, 1):get_into("k", ffi.new "char[2]")).code)
      end)
      assert.equal("value", ffi.string(buffer, 5))
    end)
  end)
end
