-- A spool that is killed with SIGKILL at each step, over real files, and one whose
-- Redis is stopped and started again. WEIR_SOAK runs 1,000 rounds.
local Killed = require "policy.killed"
local Server = require "redis_server"
local shell = require "shell"
local weir = require "weir"

local STEPS = { "write", "written", "acknowledge", "set", "stored", "delete",
  "deleted" }
local ROUNDS = os.getenv "WEIR_SOAK" and 1000 or 14


describe("a spool", function()
  local folder
  before_each(function() folder = shell.folder() end)
  after_each(function() shell.remove(folder) end)

  -- Whether a value is that of a write. A deletion leaves none.
  local function is(value, number)
    if not number or number % 3 == 0 then return value == nil end
    return value == tostring(number)
  end

  it("loses no delete and undoes no set that it acknowledged when killed", function()
    local state, writes, recovered = {}, 0, 0
    for round = 1, ROUNDS do
      local step, nth = STEPS[round % #STEPS + 1], 1 + (round * 7) % 41
      local code, _, err = shell.run(("build/weir run spec/policy/spool_crash.lua %s "
        .. "%s %d %d"):format(folder, step, nth, round * 30000))
      local why = ("round %d, %s for the %d. time"):format(round, step, nth)
      assert(code == 137 or code == 9 or code == -9, why .. ": ended with " .. code
        .. " " .. err)
      weir.run(function()
        local low = weir.fs { path = folder .. "/low" }
        local tree = low:spool { path = folder .. "/spool", every = 1000 }
        writes = writes + Killed.check(folder, tree, state, is, why)
        recovered = recovered + tree:tally().recovered
        assert(tree:flush())
        Killed.same(low, state, is, why .. ", sent again")
        assert(tree:close())
      end)
    end
    assert.is_true(writes > ROUNDS, writes)
    assert.is_true(recovered > ROUNDS / 2, recovered)
  end)

  it("cuts a record that was torn, and reads those before it", function()
    local low = weir.memory {}
    weir.run(function()
      local tree = weir.fail "unavailable":spool { folder .. "/spool", every = 1000 }
      assert.is_true(tree:delete "a")
      assert.is_true(tree:delete "bb")
      assert(tree:close())
    end)
    local file = folder .. "/spool/0"
    local bytes = assert(io.open(file)):read "*a"
    shell.write(file, bytes:sub(1, -2))
    weir.run(function()
      assert(low:set_many({ "a", "bb" }, { "1", "2" }):all "good")
      local tree = low:spool { folder .. "/spool", every = 1000 }
      assert.is_nil(tree:get "a")
      assert.equal("2", tree:get_string "bb")
      assert.equal(1, tree:tally().recovered)
      assert(tree:flush())
      assert.is_false(low:exists "a")
      assert(tree:close())
    end)
  end)

  it("keeps its file small however many deletes went through it", function()
    weir.run(function()
      local low = weir.memory {}
      local down, run = true, low.run
      local keys = {}
      for i = 1, 300 do keys[i] = ("k"):rep(200) .. i end
      local gate = weir.policy { name = "gate", children = { low = low },
        run = function(_, req)
          if down then return weir.fail "unavailable":run(req) end
          return run(low, req)
        end }
      local tree = gate:spool { folder .. "/spool", max = "256KiB", every = 1000 }
      for _ = 1, 30 do
        down = true
        assert.is_true(tree:delete_many(keys):all "good")
        down = false
        assert(tree:flush())
      end
      assert.equal(9000, tree:tally().replayed)
      assert.is_true(tree:tally().file_bytes < 2 * 2 ^ 20, tree:tally().file_bytes)
      down = true
      for i = 1, 3000 do keys[i] = "other" .. i end
      local reply = tree:delete_many(keys)
      local kept = reply:count "good"
      assert.is_true(kept > 500 and kept < 3000, kept)
      assert.equal(3000 - kept, tree:tally().dropped)
      assert.matches("there is no room for one more %(max = 262144%)",
        reply:error(3000).message)
      assert.is_true(tree:tally().bytes <= 256 * 1024)
      assert(tree:close())
    end)
  end)

  it("keeps another process, another store and a write-back's folder out", function()
    weir.run(function()
      local low = weir.memory {}
      local tree = low:spool { folder .. "/spool" }
      assert(tree:set("k", "v"))
      shell.write(folder .. "/other.lua", ([[
        local weir = require "weir"
        weir.run(function()
          local tree = weir.memory {}:spool { %q }
          print(select(2, tree:set("k", "w", { timeout = 5 })))
        end)]]):format(folder .. "/spool"))
      local _, out = shell.run("build/weir run " .. folder .. "/other.lua")
      assert.matches("another process uses this journal", out)
      local second = weir.memory {}:spool { folder .. "/spool" }
      assert.matches("another spool of this process uses this folder",
        select(2, second:get "k").message)
      assert(tree:close())
      assert.is_nil(second:get "k")
      assert(second:close())
    end)
    shell.write(folder .. "/back.lua", ([[
      local weir = require "weir"
      local C = require("weir.ffi").C
      weir.run(function()
        local back = weir.tier { weir.memory {}, weir.fail "busy",
          write = weir.back { after = 1000, journal = %q } }
        assert(back:set("k", "v"))
        C.weir_kill(C.weir_getpid(), 9)
      end)]]):format(folder .. "/wb"))
    shell.run("build/weir run " .. folder .. "/back.lua")
    weir.run(function()
      local tree = weir.memory {}:spool { folder .. "/wb" }
      assert.matches("has values: it is not a spool's", select(2, tree:get "k").message)
    end)
  end)

  it("hands what waits to the next version of a policy file", function()
    local path = folder .. "/kv.lua"
    local text = 'return fs { path = %q }:spool { path = %q, every = "%s" }'
    weir.run(function()
      local low, spool = folder .. "/low", folder .. "/spool"
      local direct = weir.fs { path = low }
      assert(direct:set("a", "1"))
      shell.write(path, ('return fail "busy":spool { path = %q, every = "900s" }')
        :format(spool))
      local handle = weir.load(path)
      assert.is_true(handle:delete "a")
      shell.write(path, text:format(low, spool, "10ms"))
      assert(handle:reload())
      assert.is_nil(handle:get "a")
      for _ = 1, 1000 do
        if not direct:exists "a" then break end
        weir.sleep(0.01)
      end
      assert.is_false(direct:exists "a")
      assert(handle:set("a", "2"))
      assert(handle:undo())
      assert.is_true(handle:delete "b")
      assert(handle:close())
      assert.equal("2", direct:get_string "a")
    end)
  end)

  it("deletes in a Redis that was away, though weir was killed meanwhile", function()
    local redis = Server.start "--appendonly yes"
    local function value(key) return (select(2, redis:command("get " .. key))) end
    weir.run(function()
      local far = weir.open(redis.url)
      assert(far:set_many({ "a", "b", "c" }, { "1", "2", "3" }):all "good")
      assert(far:close())
    end)
    redis:command "shutdown nosave"
    shell.write(folder .. "/kill.lua", ([[
      local weir = require "weir"
      local C = require("weir.ffi").C
      weir.run(function()
        local tree = weir.open(%q):timeout(5):spool { %q, every = 0.02 }
        assert(tree:delete_many { "a", "b" }:all "good")
        io.stdout:write "acknowledged"
        io.stdout:flush()
        C.weir_kill(C.weir_getpid(), 9)
      end)]]):format(redis.url, folder .. "/spool"))
    local _, out, err = shell.run("build/weir run " .. folder .. "/kill.lua")
    assert.equal("acknowledged", out, err)
    weir.run(function()
      local tree = weir.open(redis.url):timeout(5):spool { folder .. "/spool",
        every = 0.02 }
      assert.is_nil(tree:get "a")
      assert.equal(2, tree:tally().pending)
      shell.run(redis.line)
      for _ = 1, 1000 do
        if tree:tally().pending == 0 then break end
        weir.sleep(0.02)
      end
      assert.same({ 0, 2, 2 }, { tree:tally().pending, tree:tally().replayed,
        tree:tally().recovered })
      assert(tree:set("a", "new"))
      assert(tree:close())
    end)
    assert.same({ "new\n", "\n", "3\n" }, { value "a", value "b", value "c" })
    redis:close()
  end)
end)
