-- The lmdb connector through the verbs. What kills, damaged files and slow readers have
-- to say about it is in spec/lmdb/*.c.
local Shell = require "shell"
local contract = require "contract"
local weir = require "weir"

local WEIR = (os.getenv "WEIR_BUILD" or "build") .. "/weir "
local MIB = 1024 * 1024

local folder = Shell.ram_folder()
local made = 0


local function fresh_path()
  made = made + 1
  return ("%s/%d"):format(folder, made)
end


local function gauges(store)
  return store:stats().gauges
end


local function file_bytes(path)
  local _, out = Shell.run("stat -c %s " .. path .. "/data.mdb")
  return tonumber(out)
end


-- Sets n keys from `first` on, in batches of 100.
local function fill(store, first, n, value)
  for at = first, first + n - 1, 100 do
    local keys, values = {}, {}
    for i = 0, 99 do keys[#keys + 1], values[#values + 1] = "k" .. at + i, value end
    assert(store:set_many(keys, values):all "good")
  end
end


describe("lmdb", function()
  teardown(function() Shell.remove(folder) end)

  contract {
    atomic = "all",
    open = function(options)
      options.path = fresh_path()
      options.capacity = "64MiB"
      return weir.lmdb(options)
    end,
  }

  describe("with a disk to wait for and one worker", function()
    contract {
      atomic = "all",
      open = function(options)
        options.path = fresh_path()
        options.sync, options.workers = "data", 1
        return weir.lmdb(options)
      end,
    }
  end)

  it("is there after a restart, with what it holds and when it expires", function()
    local path = fresh_path()
    local store = weir.lmdb { path = path }
    fill(store, 1, 1000, ("x"):rep(500))
    assert(store:set("t", "x", { ttl = 100 }))
    store:close()
    store = weir.open("lmdb://" .. path .. "?create=false")
    assert.equal(1001, gauges(store).items)
    assert.equal(500, #store:get "k777")
    assert.is_true(store:stat("t").ttl > 90)
    store:close()
  end)

  it("drops the oldest keys when the file is full, and no more", function()
    local path = fresh_path()
    local store = weir.lmdb { path = path, capacity = "16MiB" }
    fill(store, 1, 40000, ("x"):rep(1000))
    local g = gauges(store)
    assert.equal(40000, g.items + g.evictions)
    assert.is_true(g.bytes <= 14 * MIB and file_bytes(path) <= 16 * MIB)
    assert.is_true(g.items * 1000 > 12.5 * MIB, g.items .. " of 1000 bytes")
    assert.equal(0, g.full)
    for _, at in ipairs { 1, g.evictions / 2, g.evictions } do
      assert.is_nil(store:get("k" .. math.floor(at)))
    end
    for _, at in ipairs { g.evictions + 1, 40000 } do
      assert.equal(1000, #store:get("k" .. at))
    end
    store:close()
  end)

  it("does not run out of free pages over large batches of tiny values", function()
    local store = weir.lmdb { path = fresh_path(), capacity = "16MiB" }
    local keys, values = {}, {}
    for i = 1, 1000 do values[i] = ("x"):rep(64) end
    local start = weir.now()
    for batch = 1, 200 do
      for i = 1, 1000 do keys[i] = batch .. ":" .. i end
      assert(store:set_many(keys, values):all "good")
    end
    -- Each wait for pages would take half a second, and there would be hundreds.
    assert.is_true(weir.now() - start < 30)
    assert.is_true(gauges(store).evictions > 0)
    store:close()
  end)

  it("frees the pages of replaced and deleted values, and keeps the others", function()
    local path = fresh_path()
    local store = weir.lmdb { path = path, capacity = "16MiB" }
    fill(store, 100001, 2000, ("old"):rep(500))
    for _ = 1, 60 do fill(store, 1, 1000, ("x"):rep(1000)) end
    local g = gauges(store)
    assert.same({ 3000, 0 }, { g.items, g.evictions })
    assert.is_true(g.copied > 0 and file_bytes(path) < 10 * MIB, file_bytes(path))
    assert.equal(("old"):rep(500), tostring(store:get "k102000"))
    local keys = {}
    for i = 1, 2000 do keys[i] = "k" .. 100000 + i end
    assert.equal(2000, store:delete_many(keys):count "good")
    assert.equal(1000, gauges(store).items)
    assert.equal(1000, #store:get "k1000")
    store:close()
  end)

  it("gives values of every size to a capacity, one a batch", function()
    local path = fresh_path()
    local store = weir.lmdb { path = path, capacity = "16MiB" }
    math.randomseed(os.time())
    for i = 1, 3000 do
      local size = math.floor(10 ^ (math.random() * 5.5))
      assert(store:set("k" .. i, string.char(i % 256):rep(size)))
      local at = math.random(i)
      local value = store:get("k" .. at)
      assert(not value or tostring(value) == string.char(at % 256):rep(#value))
    end
    local g = gauges(store)
    assert.equal(3000, g.items + g.evictions)
    assert.is_true(g.evictions > 0 and file_bytes(path) <= 16 * MIB)
    store:close()
  end)

  it("drops expired values in their turn, instead of moving them", function()
    local store = weir.lmdb { path = fresh_path(), capacity = "16MiB", ttl = "1ms" }
    fill(store, 1, 1000, ("x"):rep(1000))
    weir.sleep(0.01)
    for _ = 1, 3 do fill(store, 1, 1000, ("x"):rep(1000)) end
    fill(store, 2001, 20000, ("x"):rep(1000))
    assert.is_true(gauges(store).expired >= 1000)
    store:close()
  end)

  it("rejects what is over a sixteenth of it, and drops the older copy", function()
    local store = weir.lmdb { path = fresh_path(), capacity = "16MiB" }
    assert(store:set("v", "small"))
    assert.is_true(store:set("w", ("x"):rep(MIB)))
    local stored, err = store:set("v", ("x"):rep(MIB + 1))
    assert.is_false(stored)
    assert.equal("rejected", err.code)
    assert.is_nil(store:get "v")
    local reply = store:set_many({ "a", "w", "b" }, { "1", ("x"):rep(MIB + 1), "2" })
    assert.same({ "ok", "rejected", "ok" }, { reply[1], reply[2], reply[3] })
    assert.is_nil(store:get "w")
    store:close()
  end)

  it("keeps a value when an atomic op would make it too large", function()
    local store = weir.lmdb { path = fresh_path(), capacity = "16MiB" }
    local large = ("x"):rep(MIB + 1)
    assert(store:set("v", "small", { ttl = 100 }))
    for op, run in pairs {
      add = function() return store:add("new", large) end,
      replace = function() return store:replace("v", large) end,
      cas = function() return store:cas("v", large, "small") end,
      append = function() return store:append("v", large) end,
    } do
      local done, err = run()
      assert.is_nil(done, op)
      assert.equal("toobig", err.code, op)
    end
    assert.equal("small", tostring(store:get "v"))
    assert.is_true(store:stat("v").ttl > 90)
    assert.is_nil(store:get "new")
    store:close()
  end)

  it("is shared by the stores of a process, and by processes", function()
    local path = fresh_path()
    local a = weir.lmdb { path = path }
    local b = weir.lmdb { path = path, capacity = "2GiB" }
    assert(a:set("user/1", "ada"))
    assert.equal("ada", tostring(b:get "user/1"))
    a:close()
    local url = "lmdb://" .. path
    assert.equal("ada", (select(2, Shell.run(WEIR .. "get " .. url .. " user/1"))))
    assert.equal(0, (Shell.run(WEIR .. "set " .. url .. " user/2 grace")))
    assert.equal("grace", tostring(b:get "user/2"))
    assert.matches("user/2", (select(2, Shell.run(WEIR .. "ls " .. url))))
    assert.equal(0, (Shell.run(WEIR .. "rm " .. url .. " user/1")))
    assert.is_nil(b:get "user/1")
    b:close()
  end)

  it("maps the file anew when another process has made it longer", function()
    local path = fresh_path()
    local small = weir.lmdb { path = path, capacity = "16MiB" }
    assert(small:set("a", "x"))
    local code, _, err = Shell.run(WEIR .. "run - <<'END'\n" .. ([[
      local weir = require "weir"
      weir.run(function()
        local store = weir.lmdb { path = %q, capacity = "64MiB" }
        for i = 1, 40 do assert(store:set("big" .. i, ("x"):rep(1000000))) end
        store:close()
      end)
    ]]):format(path) .. "\nEND")
    assert.equal(0, code, err)
    assert.equal(1000000, #small:get "big40")
    assert.is_true(small:set("b", "y"))
    assert.equal("y", tostring(small:get "b"))
    small:close()
  end)

  it("refuses another sync than that of an open store, in and out of the process",
    function()
      local path = fresh_path()
      local store = weir.lmdb { path = path }
      local opened, message = pcall(weir.lmdb, { path = path, sync = "data" })
      assert.is_false(opened)
      assert.matches("option sync: another store .* with sync=none", message)
      local _, _, err = Shell.run(WEIR .. "get 'lmdb://" .. path .. "?sync=data' a")
      assert.matches("option sync: another process .* with sync=none", err)
      store:close()
      store = weir.lmdb { path = path, sync = "data" }
      assert(store:set("a", "x"))
      store:close()
    end)

  -- Runs a line with a filesystem of 8 MiB at path.
  local function on_small_disk(path, line)
    Shell.run("mkdir -p " .. path)
    return Shell.run(("unshare -rm sh -c %s"):format(
      Shell.quote("mount -t tmpfs -o size=8m none " .. path .. " && " .. line)))
  end

  -- LMDB calls a write that was cut short an input/output error.
  it("answers nospace when the disk has room for a part of a value", function()
    local path = fresh_path()
    if on_small_disk(path, "true") ~= 0 then pending "no namespaces for this user" end
    for pages = 1, 3 do
      local _, out, err = on_small_disk(path, ([[head -c %d /dev/zero > %s/filler
        %srun - <<'END'
        local weir = require "weir"
        weir.run(function()
          local store = weir.lmdb { path = %q .. "/store", capacity = "64MiB" }
          local good, err
          for i = 1, 100 do
            good, err = store:set("k" .. i, ("x"):rep(150000))
            if not good then break end
          end
          print(err and err.code)
        end)]] .. "\nEND"):format(3e6 + 4096 * pages, path, WEIR, path))
      assert.equal("nospace\n", out, err)
    end
  end)

  it("answers nospace while the disk is full, and goes on when it is not", function()
    local path = fresh_path()
    local function inside(line) return on_small_disk(path, line) end
    if inside "true" ~= 0 then pending "no namespaces for this user" end
    local _, out, err = inside(([[head -c 3M /dev/zero > %s/filler
      %srun - <<'END'
      local weir = require "weir"
      weir.run(function()
        local path = %q
        local store = weir.lmdb { path = path .. "/store", capacity = "64MiB" }
        local i, good, err = 0
        repeat
          i = i + 1
          good, err = store:set("k" .. i, ("x"):rep(1000))
        until not good
        print(err.code, #store:get("k" .. i - 1), store:exists("k" .. i), i > 1000)
        os.remove(path .. "/filler")
        print(store:set("k" .. i, "x"), #store:get "k1", store:delete "k2")
        store:close()
        store = weir.lmdb { path = path .. "/store", capacity = "64MiB" }
        print(#store:get("k" .. i), #store:get "k1")
      end)]] .. "\nEND"):format(path, WEIR, path))
    assert.equal("nospace\t1000\tfalse\ttrue\ntrue\t1000\ttrue\n1\t1000\n", out, err)
  end)

  it("starts empty when a power cut may have torn a file without sync", function()
    local path = fresh_path()
    local store = weir.lmdb { path = path }
    assert(store:set("a", "x"))
    assert.equal(0, (Shell.run("test -e " .. path .. "/weir.unsynced")))
    store:close()
    assert.equal(1, (Shell.run("test -e " .. path .. "/weir.unsynced")))
    for boot, kept in pairs { [("0"):rep(36)] = false, [""] = true,
      [io.open("/proc/sys/kernel/random/boot_id"):read "*l"] = true } do
      Shell.write(path .. "/weir.unsynced", boot)
      store = weir.lmdb { path = path }
      assert.equal(kept, store:exists "a")
      assert(store:set("a", "x"))
      store:close()
    end
  end)

  for what, case in pairs {
    ["an unknown option"] = { { capactiy = "1MiB" }, "did you mean capacity%?" },
    ["an unknown sync"] = { { sync = "full" }, "none|data" },
    ["a capacity that is too small"] = { { capacity = "1MiB" }, "expected 16MiB to" },
    ["a folder that is missing"] = { { create = false }, "cannot open the folder" },
  } do
    it("says what is wrong with " .. what, function()
      case[1].path = fresh_path()
      local opened, message = pcall(weir.lmdb, case[1])
      assert.is_false(opened)
      assert.matches(case[2], message)
      assert.equal(1, (Shell.run("test -e " .. case[1].path)))
    end)
  end

  it("opens no file that is not LMDB's, and leaves it as it is", function()
    local path = fresh_path()
    Shell.run("mkdir -p " .. path)
    for _, bytes in ipairs { "x", ("text "):rep(5000), ("\0"):rep(100000) } do
      Shell.write(path .. "/data.mdb", bytes)
      local opened, message = pcall(weir.lmdb, { path = path })
      assert.is_false(opened)
      assert.matches("data.mdb is not a file of LMDB", message)
      assert.equal(bytes, io.open(path .. "/data.mdb"):read "*a")
    end
    local opened, message = pcall(weir.lmdb, { path = path .. "/data.mdb" })
    assert.is_false(opened)
    assert.matches("not a folder", message)
  end)

  it("says which format a file of another version has, and leaves it", function()
    local path = fresh_path()
    weir.lmdb { path = path }:close()
    local file = assert(io.open(path .. "/data.mdb", "r+b"))
    local bytes, changed = file:read "*a", 0
    -- The format is the number after the magic, in each copy of the page.
    for at in bytes:gmatch "()weirlmdb\3%z%z%z" do
      file:seek("set", at + 7)
      file:write "\2"
      changed = changed + 1
    end
    file:close()
    assert.is_true(changed > 0)
    local opened, message = pcall(weir.lmdb, { path = path })
    assert.is_false(opened)
    assert.matches("data.mdb has format 2, expected 3: remove the folder", message)
  end)

  it("takes 1.3 times the bytes of small values on the disk", function()
    local path = fresh_path()
    local store = weir.lmdb { path = path }
    local n, value = 120000, ("x"):rep(64)
    for first = 1, n, 1000 do
      local keys, values = {}, {}
      for i = 1, 1000 do keys[i], values[i] = ("%020d"):format(first + i), value end
      assert(store:set_many(keys, values):all "good")
    end
    -- The pages that one transaction frees for a later one are the rest.
    local held = n * (20 + 64)
    assert.is_true(gauges(store).bytes < 1.3 * held, gauges(store).bytes / held)
    assert.equal(n, gauges(store).items)
    store:close()
  end)

  it("gives a time to live to a value that had none, also when full", function()
    local store = weir.lmdb { path = fresh_path(), capacity = "16MiB" }
    local value = ("abc"):rep(5000)
    assert(store:set("t", value))
    assert.is_true(store:touch("t", 100))
    assert.is_true(store:stat("t").ttl > 90)
    assert.equal(value, tostring(store:get "t"))
    assert.is_true(store:touch("t", nil))
    assert.is_nil(store:stat("t").ttl)
    fill(store, 1, 20000, ("x"):rep(1000))
    local live = gauges(store).items
    -- Each moves to the head of the log, which drops the oldest ones.
    for i = 20000, 10000, -1 do store:touch("k" .. i, 100) end
    assert.is_true(gauges(store).items <= live)
    assert.is_true(store:stat("k20000").ttl > 90)
    assert.equal(1000, #store:get "k20000")
    store:close()
  end)

  it("is not made by a check of a policy file", function()
    local path = fresh_path()
    Shell.write(folder .. "/kv.lua", ("return lmdb { path = %q }"):format(path))
    assert.equal(0, (Shell.run(WEIR .. "check " .. folder .. "/kv.lua")))
    assert.equal(1, (Shell.run("test -e " .. path)))
  end)
end)
