-- Programs that open a store again and again: what nothing refers to is ended by the
-- collector, and there are not too many of what is kept.
local scripted = require "scripted"
local weir = require "weir"

local MOST = 32


local function count(folder)
  local pipe = io.popen("ls /proc/$PPID/" .. folder .. " | wc -l")
  local n = tonumber(pipe:read "*a")
  pipe:close()
  return n
end


local function open(password)
  local store = weir.open("redis://:" .. (password or "secret") .. "@127.0.0.1:1")
  return store
end


describe("stores opened in the same way", function()
  it("are refused when too many are open, with a sentence that helps", function()
    local kept = {}
    for i = 1, MOST do kept[i] = open() end
    local good, why = pcall(open)
    assert.is_false(good)
    assert.matches("^spec/lua/roster_spec.lua:%d+: redis: 32 stores with these options"
      .. " are open already.*init_worker_by_lua", why)
    assert.is_nil(why:find "secret")
    assert(open "another":close())
    assert(kept[1]:close())
    assert(open():close())
    for i = 2, MOST do assert(kept[i]:close()) end
  end)

  it("are ended when nothing refers to them: threads and fds stay few", function()
    local threads, fds = count "task", count "fd"
    for _ = 1, 300 do
      open():get "k"
      assert.is_true(count "task" <= threads + MOST * 4)
      assert.is_true(count "fd" <= fds + MOST * 6)
    end
    collectgarbage()
    collectgarbage()
    scripted.await(function() return count "task" <= threads + 3 end)
  end)

  it("in memory, without threads, may be as many as fit", function()
    local kept = {}
    for i = 1, 2 * MOST do kept[i] = weir.memory { capacity = "64KiB", shards = 1 } end
    for i = 1, 2 * MOST do assert(kept[i]:close()) end
  end)
end)


describe("the collector", function()
  it("never waits for a store that does not end", function()
    local store, script = scripted.open { workers = 1 }
    script.hold, script.deaf = true, true
    local value = store:get("a", { timeout = 0.02 })
    assert.is_nil(value)
    store = nil -- luacheck: ignore
    collectgarbage()
    collectgarbage()
    assert.equal(1, script.inside)
    assert.equal(0, script.closes)
    script.hold = false
    scripted.await(function() return script.closes == 1 end)
  end)
end)
