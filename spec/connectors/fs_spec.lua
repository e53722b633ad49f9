-- The fs connector through the verbs. What kills, full disks, flipped bits,
-- threads and processes have to say about it is in spec/fs/*.c.
local Shell = require "shell"
local contract = require "contract"
local weir = require "weir"


-- Counts by loops of get and cas, and sets another key of the same directory.
local COUNTING = [[
local weir = require "weir"
weir.run(function()
  local store = weir.fs { path = %q }
  for i = 1, 150 do
    local done, err
    repeat
      local old = assert(store:get "n")
      done, err = store:cas("n", tostring(tonumber(tostring(old)) + 1), old)
      assert(done ~= nil, err)
    until done
    assert(store:incr "m")
    assert(%s)
  end
end)
]]

local folder = Shell.ram_folder()
local made = 0


local function fresh_path()
  made = made + 1
  return ("%s/%d"):format(folder, made)
end


-- Runs the programs at a time. Each ends well.
local function run_together(sources)
  local line = {}
  for i, source in ipairs(sources) do
    Shell.write(("%s/%d.lua"):format(folder, i), source)
    line[i] = ("build/weir run %s/%d.lua & p%d=$!"):format(folder, i, i)
  end
  for i = 1, #sources do line[#line + 1] = ("wait $p%d || exit 1"):format(i) end
  local code, _, err = Shell.run(table.concat(line, "\n"))
  assert.equal(0, code, err)
end


local function gauges(store)
  return store:stats().gauges
end


describe("fs", function()
  teardown(function() Shell.remove(folder) end)

  contract {
    atomic = "all",
    open = function(options)
      options.path = fresh_path()
      return weir.fs(options)
    end,
  }

  describe("with a capacity, a disk to wait for and few directories", function()
    contract {
      atomic = "all",
      open = function(options)
        options.path = fresh_path()
        options.capacity = "1GiB"
        options.sync = "data"
        options.fanout = "16"
        return weir.fs(options)
      end,
    }
  end)

  it("is there after a restart, warm, and knows what it holds", function()
    local path = fresh_path()
    local store = weir.fs { path = path, capacity = "1MiB" }
    for i = 1, 20 do assert(store:set("key/" .. i, ("x"):rep(5000))) end
    local before = gauges(store)
    store:close()
    store = weir.fs { path = path, capacity = "1MiB" }
    while gauges(store).recovering == 1 do weir.sleep(0.001) end
    local after = gauges(store)
    assert.same({ 20, before.bytes }, { after.items, after.bytes })
    assert.equal(5000, #store:get "key/7")
    store:close()
  end)

  it("keeps the names of short keys readable", function()
    local path = fresh_path()
    local store = weir.fs { path = path }
    assert(store:set("model@0@ab12", "x"))
    assert(store:set("../Up", "x"))
    store:close()
    local _, names = Shell.run("ls " .. path .. "/[0-9a-f][0-9a-f]")
    assert.matches("model@0@ab12", names, 1, true)
    assert.matches("%2e.%2f+up", names, 1, true)
  end)

  it("counts right in two processes, while one sets beside it", function()
    local path = fresh_path()
    local store = weir.fs { path = path, fanout = "16" }
    assert(store:set("n", "0"))
    run_together {
      COUNTING:format(path, 'store:set("beside" .. i, "x")'),
      COUNTING:format(path, 'store:touch("n", 1000)'),
    }
    assert.equal("300", tostring(store:get "n"))
    assert.equal("300", tostring(store:get "m"))
    assert.is_true(store:stat("m").ttl == nil)
    store:close()
  end)

  it("opens by URL", function()
    local path = fresh_path()
    local store = weir.open("fs://" .. path .. "?sync=full&quarantine=0")
    assert.is_true(store:set("a", "x"))
    store:close()
    assert.equal("x", tostring(weir.fs({ path = path }):get "a"))
  end)

  it("rejects what is over its capacity, and drops the older copy", function()
    local store = weir.fs { path = fresh_path(), capacity = "64KiB" }
    assert(store:set("v", "small"))
    local stored, err = store:set("v", ("x"):rep(65536))
    assert.is_false(stored)
    assert.equal("rejected", err.code)
    assert.is_nil(store:get "v")
    store:close()
  end)

  for what, case in pairs {
    ["an unknown option"] = { { capactiy = "1MiB" }, "did you mean capacity%?" },
    ["an unknown sync"] = { { sync = "ful" }, "none|data|full" },
    ["a wrong unit"] = { { capacity = "1MX" }, "expected a size" },
    ["a mode that is not octal"] = { { mode = "rw-" }, "octal number such as 0600" },
    ["a mode that shuts us out"] = { { mode = "0040" }, "owner to read and write" },
  } do
    it("says what is wrong with " .. what, function()
      case[1].path = fresh_path()
      local opened, message = pcall(weir.fs, case[1])
      assert.is_false(opened)
      assert.matches(case[2], message)
    end)
  end

  it("says that it needs a path", function()
    local opened, message = pcall(weir.fs, {})
    assert.is_false(opened)
    assert.matches("path", message)
  end)
end)
