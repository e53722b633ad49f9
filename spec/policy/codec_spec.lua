-- compress, checksum, crypt: what is set comes back, and what is damaged does not. The
-- laws hold for them, too (laws_spec); damage of every sort is in spec/codec/damage.c.
local ffi = require "ffi"
local Host = require "weir.host"
local shell = require "shell"
local weir = require "weir"

local LARGE = ("all work and no play "):rep(20000)

local folder, store
local function setup_store()
  folder, store = shell.folder(), weir.memory { capacity = "64MiB" }
end

local function remove_store()
  store:close()
  shell.remove(folder)
end


-- Writes a key file: a list of { number, hexadecimal digit }.
local function key_file(name, keys)
  local path, lines = folder .. "/" .. name, { "# the keys of a spec\n" }
  for _, key in ipairs(keys) do
    lines[#lines + 1] = ("%d %s\n"):format(key[1], key[2]:rep(64))
  end
  shell.write(path, table.concat(lines))
  shell.run("chmod 600 " .. path)
  return path
end


describe("every codec", function()
  before_each(setup_store)
  after_each(remove_store)

  local function each(fn)
    local keys = key_file("keys", { { 1, "a" } })
    for name, tree in pairs {
      zstd = store:compress(), lz4 = store:compress "lz4", sum = store:checksum(),
      crypt = store:crypt(keys),
      all = store:crypt(keys):checksum():compress { above = 1 },
    } do
      weir.run(function() fn(tree, name) end)
    end
  end

  it("returns what was set, singly, in batches and into buffers", function()
    each(function(tree, name)
      local values = { "", "x", ("y"):rep(5000), LARGE, "\0\1\2" }
      local list = {}
      for i = 1, #values do list[i] = name .. i end
      assert.is_true(tree:set_many(list, values):all "good")
      local reply, buffers = tree:get_many(list), {}
      for i, value in ipairs(values) do
        assert.is_true(reply:string(i) == value, name .. i)
        assert.equal(#value, reply:size(i))
        buffers[i] = ffi.new("char[?]", 5000)
      end
      local into = tree:get_into_many(list, buffers)
      assert.same({ "ok", "ok", "ok", "toobig", "ok" }, into.status and {
        into[1], into[2], into[3], into[4], into[5] })
      assert.equal(#LARGE, into:size(4))
      assert.equal(values[3], ffi.string(buffers[3], into:size(3)))
      assert.is_nil(tree:get "nowhere")
      assert.is_true(tree:exists(list[1]) and tree:delete(list[1]))
    end)
  end)

  it("takes a plain value for damage, or returns it if it is told to", function()
    weir.run(function()
      store:set("plain", "as it was")
      for _, word in ipairs { "compress", "checksum" } do
        local value, err = store[word](store):get "plain"
        assert.is_nil(value)
        assert.equal("corrupt", err.code)
        local tree = store[word](store, { plain = "accept" })
        assert.equal("as it was", tostring(tree:get "plain"))
        assert.equal(1, tree:tally().plain)
      end
    end)
  end)

  it("takes a cut or damaged head for damage, also where plain values are", function()
    weir.run(function()
      local trees = {
        store:compress { plain = "accept" }, store:checksum { plain = "accept" },
        store:crypt { key_file("k", { { 1, "a" } }), plain = "accept" },
        store:chunk { 1024, plain = "accept" },
      }
      for _, tree in ipairs(trees) do
        tree:set("k", "value")
        local coded = store:get_string "k"
        for size = 4, 15 do
          store:set("cut", coded:sub(1, size))
          assert.equal("corrupt", select(2, tree:get "cut").code)
        end
        store:set("changed", coded:sub(1, 6) .. "x" .. coded:sub(8))
        assert.equal("corrupt", select(2, tree:get "changed").code)
        store:set("k", "\183wc")
        assert.equal("\183wc", tostring(tree:get "k"))
      end
    end)
  end)

  it("never returns a value of another codec", function()
    weir.run(function()
      store:checksum():set("k", "value")
      for _, tree in ipairs { store:compress { plain = "accept" },
        store:crypt { key_file("k", { { 1, "a" } }), plain = "accept" } } do
        assert.equal("corrupt", select(2, tree:get "k").code)
      end
    end)
  end)

  it("lets others run while a large value is coded", function()
    weir.run(function()
      local tree, turns, over = store:compress { level = 19 }, 0, false
      local noise = {}
      for i = 1, 60000 do noise[i] = tostring(i * 7919 % 65537) end
      local task = weir.spawn(function()
        assert(tree:set("large", table.concat(noise)))
        over = true
      end)
      while not over do
        turns = turns + 1
        weir.sleep(0.001)
      end
      assert(weir.join(task))
      assert.is_true(turns > 3, turns)
    end)
  end)

  it("keeps its memory when the caller is killed meanwhile", function()
    weir.run(function()
      local tree = store:compress { level = 19, apart = 1 }
      for _ = 1, 20 do
        local task = weir.spawn(function() tree:set("k", LARGE) end)
        Host.current().kill(task)
      end
      weir.sleep(0.3)
      assert(tree:set("k", "v"))
      assert.equal("v", tostring(tree:get "k"))
    end)
  end)
end)


describe("compress", function()
  before_each(setup_store)
  after_each(remove_store)

  it("shrinks what shrinks, and stores the rest as it is", function()
    weir.run(function()
      local tree = store:compress()
      tree:set("alike", LARGE)
      assert.is_true(store:stat("alike").size < #LARGE / 50)
      tree:set("small", ("a"):rep(1000))
      assert.equal(1016, store:stat("small").size)
      store:compress { worth = 0, above = 0 }:set("no", LARGE)
      assert.equal(#LARGE + 16, store:stat("no").size)
      local counts = tree:tally()
      assert.equal(#LARGE + 1000, counts.taken)
      assert.is_true(counts.stored < 10000 and counts.seconds > 0)
    end)
  end)

  it("reads what either library made", function()
    weir.run(function()
      store:compress "lz4":set("a", LARGE)
      store:compress "zstd":set("b", LARGE)
      assert.equal(LARGE, tostring(store:compress "zstd":get "a"))
      assert.equal(LARGE, tostring(store:compress "lz4":get "b"))
    end)
  end)

  it("uses a dictionary, without which its values cannot be read", function()
    local samples = {}
    for i = 1, 2000 do
      samples[i] = ('{"user":"name%d","role":"reader","groups":["a%d","b"],"seen":'
        .. '"2026-11-26T00:00:%02dZ","language":"en","visits":%d}'):format(i, i % 7,
        i % 60, i * 31)
      if i <= 1000 then shell.write(("%s/s%d"):format(folder, i), samples[i]) end
    end
    local code = shell.run(("zstd -q --train %s/s* --maxdict=4096 -o %s/dictionary")
      :format(folder, folder))
    if code ~= 0 then return pending "needs the command zstd" end
    weir.run(function()
      local tree = store:compress { above = 1, dictionary = folder .. "/dictionary" }
      tree:set("k", samples[1500])
      assert.is_true(store:stat("k").size < #samples[1500] - 30)
      assert.equal(samples[1500], tostring(tree:get "k"))
      assert.equal("corrupt", select(2, store:compress():get "k").code)
    end)
  end)

  it("says what is wrong with its options", function()
    for text, options in pairs {
      ["level of lz4 is a whole number from 0 to 12, not 20"] = { "lz4", level = 20 },
      ["codec is one of \"zstd\", \"lz4\", not \"gzip\""] = { "gzip" },
      ["only zstd takes a dictionary"] = { "lz4", dictionary = "/dev/null" },
      ["not made by zstd %-%-train"] = { dictionary = "README.md" },
      ["dictionary: /nowhere"] = { dictionary = "/nowhere" },
    } do
      local ok, err = pcall(store.compress, store, options)
      assert.is_false(ok)
      assert.matches(text, tostring(err))
    end
  end)
end)


describe("crypt", function()
  before_each(setup_store)
  after_each(remove_store)

  it("hides values and notices what was altered or moved", function()
    weir.run(function()
      local tree = store:crypt(key_file("keys", { { 3, "c" } }))
      tree:set("k", "secret secret secret")
      local bytes = store:get_string "k"
      assert.is_nil(bytes:find("secret", 1, true))
      assert.equal(20 + 44, #bytes)
      store:set("other", bytes)
      assert.equal("corrupt", select(2, tree:get "other").code)
      store:set("k", bytes:sub(1, -2) .. string.char((bytes:byte(-1) + 1) % 256))
      assert.equal("corrupt", select(2, tree:get "k").code)
      assert.equal(2, tree:tally().corrupt)
    end)
  end)

  it("rotates its keys", function()
    weir.run(function()
      local old = key_file("old", { { 1, "a" } })
      local both = key_file("both", { { 2, "b" }, { 1, "a" } })
      local new = key_file("new", { { 2, "b" } })
      store:crypt(old):set("k", "v")
      assert.equal("v", tostring(store:crypt(both):get "k"))
      assert.equal("denied", select(2, store:crypt(new):get "k").code)
      store:crypt(both):set("k", "w")
      assert.equal("w", tostring(store:crypt(new):get "k"))
    end)
  end)

  it("says what is wrong with its key file, but no key", function()
    local good = key_file("good", { { 1, "a" } })
    shell.run("chmod 644 " .. good)
    local twice = key_file("twice", { { 1, "a" }, { 1, "b" } })
    local short = folder .. "/short"
    shell.write(short, "1 abcdef\n")
    shell.write(folder .. "/empty", "\n# nothing\n")
    shell.run(("chmod 600 %s/*"):format(folder))
    shell.run("chmod 644 " .. good)
    for path, text in pairs { [good] = "chmod 600 it",
      [twice] = "line 3: key 1 is on an earlier line",
      [short] = "line 1 is not a number from 1 to 255", [folder] = "not a file",
      [folder .. "/empty"] = "there is no key in it",
      [folder .. "/nowhere"] = "No such file",
      ["/proc/self/mem"] = "cannot be read to its end" } do
      local ok, err = pcall(store.crypt, store, path)
      assert.is_false(ok)
      assert.is_truthy(tostring(err):find(text, 1, true), tostring(err))
      assert.is_nil(tostring(err):find("abcdef", 1, true))
    end
  end)
end)
