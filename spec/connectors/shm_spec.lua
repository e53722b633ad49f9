-- The shm connector through the verbs. What crashes, threads, altered mappings and
-- full filesystems have to say about it is in spec/shm/*.c and spec/fuzz/shm.c.
local Shell = require "shell"
local contract = require "contract"
local weir = require "weir"

local WEIR = (os.getenv "WEIR_BUILD" or "build") .. "/weir "

local made = 0
local folder = Shell.ram_folder()


local function fresh_path()
  made = made + 1
  return ("%s/%d"):format(folder, made)
end


local function gauges(store)
  return store:stats().gauges
end


local function fill(store, n, value)
  for i = 1, n do store:set("fill:" .. i, value) end
end


describe("shm", function()
  teardown(function() Shell.remove(folder) end)

  for _, eviction in ipairs { "s3fifo", "lru" } do
    describe(eviction, function()
      contract {
        atomic = "all",
        open = function(options)
          options.path = fresh_path()
          options.eviction = eviction
          options.verify = "always"
          options.capacity, options.shards = "4MiB", 2
          return weir.shm(options)
        end,
      }
    end)
  end

  for _, eviction in ipairs { "s3fifo", "lru", "sieve", "fifo" } do
    it("stays within its capacity and keeps what is asked for: " .. eviction, function()
      local store = weir.shm { path = fresh_path(), capacity = "1MiB",
        eviction = eviction }
      for i = 1, 5000 do
        assert.is_true(store:set("fill:" .. i, ("x"):rep(1000)))
        if i == 1 then assert(store:set("hot", "y")) end
        if eviction ~= "fifo" then
          assert(store:get "hot", "lost after " .. i)
        end
      end
      assert.is_true(gauges(store).bytes <= 1024 * 1024)
      assert.is_true(gauges(store).bytes > 1000 * 1024)
      assert.equal(5001, gauges(store).items + gauges(store).evictions)
      assert.equal(0, gauges(store).repairs)
      store:close()
    end)
  end

  describe("on a worker", function()
    contract {
      atomic = "all",
      open = function(options)
        options.path = fresh_path()
        options.capacity, options.shards = "4MiB", 2
        options.inline = false
        return weir.shm(options)
      end,
    }
  end)

  it("keeps what was set when every process has closed it", function()
    local path = fresh_path()
    local store = weir.shm { path = path, capacity = "1MiB", eviction = "lru" }
    assert(store:set("a", "one"))
    assert(store:set("b", "two", { ttl = 100 }))
    store:close()
    store = weir.shm { path = path }
    assert.equal("one", tostring(store:get "a"))
    assert.is_true(store:stat("b").ttl > 90)
    assert.equal(1024 * 1024, gauges(store).capacity)
    store:close()
  end)

  it("shares keys, expiry and counts between those that have it open", function()
    local path = fresh_path()
    local a = weir.shm { path = path, capacity = "1MiB" }
    local b = weir.shm { path = path }
    assert.equal(2, gauges(a).processes)
    assert(a:set("k", "from a"))
    assert.equal("from a", tostring(b:get "k"))
    assert(b:touch("k", 50))
    assert.is_true(a:stat("k").ttl <= 50)
    assert.is_true(b:delete "k")
    assert.is_nil(a:get "k")
    assert.same({ 2, 2 }, { gauges(a).hits_small, gauges(b).hits_small })
    b:close()
    assert.equal(1, gauges(a).processes)
    a:close()
  end)

  it("gives a capacity to entries, all but a tenth", function()
    local store = weir.shm { path = fresh_path(), capacity = "8MiB" }
    fill(store, 10000, ("x"):rep(1024 - 48 - #"fill:10000"))
    local items = gauges(store).items
    assert.is_true(items * 1024 > 0.9 * 8 * 1024 * 1024, items .. " of 1 KiB")
    store:close()
  end)

  it("rejects what no shard has room for, and drops the older copy", function()
    local store = weir.shm { path = fresh_path(), capacity = "128KiB" }
    assert(store:set("v", "small"))
    local stored, err = store:set("v", ("x"):rep(131072))
    assert.is_false(stored)
    assert.equal("rejected", err.code)
    assert.is_nil(store:get "v")
    assert.same({ 1, 0 }, { gauges(store).rejected, gauges(store).items })
    store:close()
  end)

  it("evicts everything else for a value that just fits, and for its successor",
    function()
      local store = weir.shm { path = fresh_path(), capacity = "1MiB" }
      local size = gauges(store).capacity - gauges(store).bytes - 64 -- head and key
      fill(store, 5000, "x")
      for _ = 1, 3 do
        assert.is_true(store:set("big", ("x"):rep(size)))
        assert.equal(size, #store:get "big")
      end
      assert.equal(1, gauges(store).items)
      assert.is_false(store:set("big", ("x"):rep(size + 1)))
      assert.equal(0, gauges(store).items)
      store:close()
    end)

  it("reclaims what expired though nobody asks for it", function()
    local store = weir.shm { path = fresh_path(), capacity = "1MiB" }
    for i = 1, 500 do assert(store:set("t:" .. i, "x", { ttl = 0.001 })) end
    weir.sleep(0.01)
    fill(store, 5000, "x")
    assert.equal(500, gauges(store).expired)
    store:close()
  end)

  it("gives what is set without a time to live the default one", function()
    local store = weir.shm { path = fresh_path(), capacity = "1MiB", ttl = "100s" }
    assert(store:set("default", "x"))
    assert(store:set("own", "x", { ttl = 5 }))
    assert.is_true(store:stat("default").ttl > 90)
    assert.is_true(store:stat("own").ttl <= 5)
    store:close()
  end)

  describe("from outside, by name,", function()
    local name = "spec." .. folder:match "[^/]*$"
    local url = "'shm://" .. name .. "?create=false'"
    local store

    before_each(function()
      store = weir.open("shm://" .. name .. "?capacity=1MiB&destroy=true&mode=0640")
      assert(store:set_many({ "user/1", "user/2", "a" }, { "ada", "grace", "x" }))
    end)

    after_each(function() store:close() end)

    it("lists, reads, measures and counts", function()
      local _, out = Shell.run(WEIR .. "ls shm://" .. name .. " 'user/*'")
      assert.matches("user/1", out, 1, true)
      assert.not_matches("a\n", out, 1, true)
      assert.equal("ada", (select(2, Shell.run(WEIR .. "get " .. url .. " user/1"))))
      assert.matches("user/", (select(2, Shell.run(WEIR .. "du " .. url))))
      _, out = Shell.run(WEIR .. "stats " .. url)
      assert.matches("capacity 1 MiB, .*items 3, processes 2", out)
      assert.equal(0, (Shell.run(WEIR .. "rm " .. url .. " user/1")))
      assert.is_nil(store:get "user/1")
    end)

    it("is a file with the permissions that were asked for", function()
      local _, out = Shell.run("stat -c '%a %s' /dev/shm/weir." .. name)
      assert.equal("640 1048576\n", out)
    end)

    it("is gone from its name when a store that destroys it closes", function()
      store:close()
      assert.equal(1, (Shell.run("test -e /dev/shm/weir." .. name)))
      local code, _, err = Shell.run(WEIR .. "ls shm://" .. name)
      assert.is_true(code ~= 0)
      assert.matches("there is no mapping /dev/shm/weir%.", err)
    end)

    it("leaves a successor of its name alone", function()
      os.remove("/dev/shm/weir." .. name)
      local other = weir.open("shm://" .. name .. "?capacity=1MiB")
      store:close()
      assert.equal(0, (Shell.run("test -e /dev/shm/weir." .. name)))
      other:close()
      os.remove("/dev/shm/weir." .. name)
    end)
  end)

  describe("of a mapping that is there", function()
    local path, store

    before_each(function()
      path = fresh_path()
      store = weir.shm { path = path, capacity = "1MiB", shards = 2, eviction = "lru" }
    end)

    after_each(function() store:close() end)

    for what, case in pairs {
      ["another capacity"] = { { capacity = "2MiB" },
        "capacity: 2 MiB, but the mapping was made with 1 MiB; " },
      ["a capacity of some bytes more"] = { { capacity = 2 ^ 20 + 1 },
        "capacity: 1048577 bytes, but the mapping was made with 1 MiB; " },
      ["another eviction"] = { { eviction = "sieve" },
        "eviction: sieve, but the mapping was made with lru" },
      ["other shards"] = { { shards = 4 }, "shards: 4, but .* made with 2" },
    } do
      it("refuses " .. what .. ", with both", function()
        case[1].path = path
        local opened, message = pcall(weir.shm, case[1])
        assert.is_false(opened)
        assert.matches(case[2], message)
      end)
    end
  end)

  describe("in a /dev/shm of 4 MiB, as in a small container,", function()
    local function inside(line)
      return Shell.run(("unshare -rm sh -c %s"):format(
        Shell.quote("mount -t tmpfs -o size=4m none /dev/shm && " .. line)))
    end

    before_each(function()
      if inside "true" ~= 0 then pending "no namespaces for this user" end
    end)

    it("says what has no room, what there is, and what to do", function()
      local code, out, err = inside(WEIR .. "set shm://x a b; ls /dev/shm; df /dev/shm")
      assert.equal(0, code)
      assert.matches("^weir set: shm x: a mapping of 64 MiB does not fit: 4 of 4 MiB "
        .. "are free there%. Choose a smaller capacity, ", err)
      assert.not_matches("weir%.x", out)
      assert.matches("4096 +0 +4096", out)
    end)

    it("says all of it for a path that is not short", function()
      local long = "/dev/shm/" .. ("d"):rep(40)
      local _, _, err = inside(("mkdir %s; %sset 'shm://%s/x?capacity=1GiB' a b")
        :format(long, WEIR, long))
      assert.matches("%(docker run .*, mount %-o remount,size=%)\n$", err)
    end)

    it("takes its memory when it is opened, so that no set meets a full one", function()
      local _, out, err = inside(WEIR .. "set 'shm://x?capacity=3MiB' a b; "
        .. "dd if=/dev/zero of=/dev/shm/full bs=64k; " .. WEIR
        .. "run - <<'END'\n" .. [[
          local weir = require "weir"
          weir.run(function()
            local store = weir.shm { name = "x" }
            for i = 1, 5000 do assert(store:set("k" .. i, ("x"):rep(1000))) end
            print(store:stats().gauges.items > 2000)
          end)
        ]] .. "\nEND")
      assert.matches("true\n$", out, nil, err)
    end)
  end)

  describe("with huge_pages, in a /dev/shm that", function()
    local function inside(mount, line)
      return Shell.run(("unshare -rm sh -c %s"):format(Shell.quote(
        "mount -t tmpfs -o " .. mount .. " none /dev/shm && " .. line)))
    end

    -- The bytes in huge pages that the maker maps, and that a second process does.
    local function bytes(mount)
      local code, out, err = inside(mount, WEIR .. "run - <<'END' && " .. WEIR
        .. "stats --json shm://x && stat -c 'blocks %b' /dev/shm/weir.x\n" .. [[
          local weir = require "weir"
          weir.run(function()
            local store = weir.shm { name = "x", capacity = "18MiB", huge_pages = true }
            for i = 1, 40000 do assert(store:set("k" .. i, i .. ("x"):rep(1000))) end
            for i = 40000, 39000, -1 do
              assert(store:get("k" .. i) == i .. ("x"):rep(1000))
            end
            local gauges = store:stats().gauges
            assert(gauges.items > 10000 and gauges.bytes <= gauges.capacity)
            print("maker " .. gauges.huge_bytes)
          end)
        ]] .. "\nEND")
      assert.equal(0, code, err)
      assert.equal(2 * (16 * 1024 + 8), tonumber(out:match "blocks (%d+)"), out)
      return tonumber(out:match "maker (%d+)"),
        tonumber(out:match '"huge_bytes":%s*(%d+)')
    end

    before_each(function()
      if inside("size=4m", "true") ~= 0 then pending "no namespaces for this user" end
    end)

    it("gives huge pages, maps them in each process", function()
      if inside("size=4m,huge=advise", "true") ~= 0 then
        return pending "this kernel has no huge pages"
      end
      local maker, second = bytes "size=64m,huge=advise"
      assert.is_true(maker >= 2 * 1024 * 1024 and maker <= 16 * 1024 * 1024, maker)
      assert.equal(0, maker % (2 * 1024 * 1024))
      assert.equal(maker, second)
    end)

    it("gives none, works and counts none", function()
      local maker, second = bytes "size=64m"
      assert.equal(0, maker)
      assert.equal(0, second)
    end)

    it("has no room, says so as without them and leaves nothing", function()
      for _, mount in ipairs { "size=8m", "size=8m,huge=advise" } do
        local code, out, err = inside(mount, WEIR
          .. "set 'shm://x?capacity=16MiB&huge_pages=true' a b; "
          .. "df /dev/shm; ls /dev/shm")
        assert.equal(0, code)
        assert.matches("^weir set: shm x: a mapping of 16 MiB does not fit: 8 of 8 "
          .. "MiB are free there%. Choose a smaller capacity, ", err)
        assert.matches("8192 +0 +8192", out)
        assert.not_matches("weir%.x", out)
      end
    end)
  end)

  it("says who made a mapping that another user may not open", function()
    local path = "/dev/shm/weir-spec-owned-" .. require("weir.ffi").C.weir_getpid()
    local store = weir.shm { path = path, capacity = "1MiB", destroy = true }
    finally(function() store:close() end)
    if Shell.run "setpriv --reuid=65534 true" ~= 0 then
      return pending "this user cannot become another one"
    end
    local code, _, err = Shell.run(("setpriv --reuid=65534 --clear-groups %sget %s a")
      :format(WEIR, "shm://" .. path))
    assert.equal(3, code)
    assert.matches("Permission denied. Its owner is user 0, its mode 0600: ", err)
  end)

  for what, case in pairs {
    ["an unknown option"] = { { capactiy = "1MiB" }, "did you mean capacity%?" },
    ["a capacity over all"] = { { capacity = "1TiB" },
      "expected 16392 KiB to 65536 MiB with 256 shards, got 1048576 MiB" },
    ["an unknown policy"] = { { eviction = "lfu" }, "auto|s3fifo|lru|sieve|fifo" },
    ["a capacity that is too small"] = { { capacity = "1KiB" },
      "expected 72 KiB to 256 MiB with 1 shard, got 1 KiB" },
    ["a capacity that is too small for huge pages"] = {
      { capacity = "1MiB", huge_pages = true },
      "expected 2 MiB to 256 MiB with 1 shard and huge_pages, got 1 MiB" },
    ["shards that are no power of two"] = { { shards = 3 }, "power of two, got 3" },
    ["a mode that is not octal"] = { { mode = "rw-" }, "octal number such as 0600" },
    ["a mode that shuts us out"] = { { mode = "0040" }, "owner to read and write" },
    ["a name beside the path"] = { { name = "x" }, "got both: x and " },
  } do
    it("says what is wrong with " .. what, function()
      case[1].path = fresh_path()
      local opened, message = pcall(weir.shm, case[1])
      assert.is_false(opened)
      assert.matches(case[2], message)
      assert.equal(1, (Shell.run("test -e " .. case[1].path)))
    end)
  end

  it("says that it needs a name or a path", function()
    for _, options in ipairs { {}, { name = "" }, { name = "a/b" } } do
      local opened, message = pcall(weir.shm, options)
      assert.is_false(opened)
      assert.matches("expected", message)
    end
  end)

  it("opens no file that is not a mapping, and leaves it as it is", function()
    for _, bytes in ipairs { "x", ("text "):rep(1000), ("\0"):rep(100000) } do
      local path = fresh_path()
      Shell.write(path, bytes)
      local opened, message = pcall(weir.shm, { path = path, capacity = "1MiB" })
      assert.is_false(opened)
      assert.matches("not a mapping of weir", message)
      assert.equal(bytes, io.open(path):read "*a")
    end
  end)

  it("refuses a symbolic link to a file that is missing", function()
    local path = fresh_path()
    Shell.run(("ln -s %s/missing %s"):format(folder, path))
    local code, _, err = Shell.run(WEIR .. "set shm://" .. path .. " k v", nil, 20)
    assert.equal(3, code)
    assert.matches("it is a symbolic link to a file that is missing", err)
    assert.equal(1, (Shell.run(("test -e %s/missing"):format(folder))))
  end)

  it("refuses a hugetlbfs by its name", function()
    local mount = folder .. "/huge"
    Shell.run("mkdir " .. mount)
    if Shell.run("mount -t hugetlbfs none " .. mount) ~= 0 then
      return pending "no permission to mount a hugetlbfs"
    end
    finally(function() Shell.run("umount " .. mount) end)
    local opened, message = pcall(weir.shm, { path = mount .. "/x", capacity = "4MiB" })
    assert.is_false(opened)
    assert.matches("a hugetlbfs cannot hold a mapping", message)
    assert.equal(1, (Shell.run("test -e " .. mount .. "/x")))
  end)

  it("is not made by a check of a policy file", function()
    local path = fresh_path()
    Shell.write(folder .. "/kv.lua", ("return shm { path = %q }"):format(path))
    local code = Shell.run(WEIR .. "check " .. folder .. "/kv.lua")
    assert.equal(0, code)
    assert.equal(1, (Shell.run("test -e " .. path)))
  end)
end)
