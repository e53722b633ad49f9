-- A write-back with a journal, killed with SIGKILL at each step of the journal, over
-- real files. WEIR_SOAK runs 1,000 rounds.
local Killed = require "policy.killed"
local shell = require "shell"
local weir = require "weir"

local STEPS = { "write", "sync", "acknowledge", "flush", "flushed", "truncate",
  "truncated", "any" }
local ROUNDS = os.getenv "WEIR_SOAK" and 1000 or 16


describe("a write-back that is killed", function()
  local folder
  before_each(function() folder = shell.folder() end)
  after_each(function() shell.remove(folder) end)

  local function open(sync)
    local low = weir.fs { path = folder .. "/low" }
    return weir.tier { weir.memory {}, low, write = weir.back { after = 1000,
      sync = sync, journal = folder .. "/journal" } }, low
  end

  -- Whether a value is that of a write. A deletion leaves none.
  local function is(value, number)
    if not number then return value == nil end
    if number % 5 == 0 then return value == nil end
    return value ~= nil and tonumber(value:match "^(%d+):") == number
  end

  it("has every write that it acknowledged, whatever it was doing", function()
    local state, acked, recovered, killed = {}, 0, 0, 0
    for round = 1, ROUNDS do
      local step = STEPS[round % #STEPS + 1]
      local sync = round % 3 == 0 and "data" or "none"
      local nth = step:match "^trunc" and 1 + round % 2 or 1 + (round * 7) % 23
      local command = ("build/weir run spec/policy/crash.lua %s %s %s %d %d"):format(
        folder, sync, step, nth, round * 100000)
      local code, _, err = shell.run(command)
      local why = ("round %d, %s for the %d. time"):format(round, step, nth)
      assert(code == 137 or code == 9 or code == -9, why .. ": ended with " .. code
        .. " " .. err)
      killed = killed + 1
      weir.run(function()
        local tree, low = open(sync)
        acked = acked + Killed.check(folder, tree, state, is, why)
        assert(tree:flush())
        Killed.same(low, state, is, why .. ", below")
        recovered = recovered + tree:tally().recovered
        assert(tree:close())
      end)
    end
    assert.equal(ROUNDS, killed)
    assert.is_true(acked > ROUNDS * 3, acked)
    assert.is_true(recovered > ROUNDS / 2, recovered)
  end)

  it("keeps another process out of its journal", function()
    weir.run(function()
      local tree = open "none"
      assert(tree:set("k", "v"))
      shell.write(folder .. "/other.lua", ([[
        local weir = require "weir"
        weir.run(function()
          local tree = weir.tier { weir.memory {}, weir.memory {},
            write = weir.back { journal = %q } }
          print(select(2, tree:set("k", "w", { timeout = 5 })))
        end)]]):format(folder .. "/journal"))
      local _, out = shell.run("build/weir run " .. folder .. "/other.lua")
      assert.matches("another process uses this journal", out)
      assert(tree:close())
    end)
  end)

  it("has one user of a journal in a process", function()
    weir.run(function()
      local tree, low = open "none"
      assert(tree:set("k", "v"))
      local other = weir.tier { weir.memory {}, low, write = weir.back {
        journal = folder .. "/journal" } }
      assert.matches("another store of this process uses this journal",
        select(2, other:get "k").message)
      assert(tree:close())
    end)
  end)
end)
