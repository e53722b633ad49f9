-- serialize: tables as values. What comes back is what was set, or nothing.
local cjson = require "cjson"
local fake = require "fake"
local Check = require "weir.language.check"
local shell = require "shell"
local weir = require "weir"


-- A random value that JSON has.
local function some_value(random, depth)
  local x = math.floor(random() * (depth > 0 and 7 or 5))
  if x == 0 then return random() < 0.5 end
  if x == 1 then return math.floor((random() - 0.5) * 2 ^ 53) end
  if x == 2 then return (random() - 0.5) * 10 ^ math.floor(random() * 600 - 300) end
  if x == 3 or x == 4 then
    local bytes = {}
    for i = 1, math.floor(random() * 12) do
      bytes[i] = string.char(math.floor(random() * 256))
    end
    return table.concat(bytes)
  end
  local t = {}
  for i = 1, math.floor(random() * 5) do
    t[x == 5 and i or "name" .. i .. "\n\0\""] = some_value(random, depth - 1)
  end
  return t
end


describe("serialize", function()
  local store, tree
  before_each(function()
    store = weir.memory { capacity = "64MiB" }
    tree = store:serialize()
  end)
  after_each(function() store:close() end)

  it("gives back what was set", function()
    local random = fake.generator(1)
    for _ = 1, 300 do
      local value = some_value(random, 5)
      assert.is_true(tree:set("k", value))
      assert.same(value, (tree:get "k"))
    end
    for _, x in ipairs { 0.1 + 0.2, 2 ^ 53 - 1, 1e308, 5e-324, -0.5, "", "\255\0", {},
      { { {} } }, { a = { b = { 1, 2, { c = false } } } }, cjson.null } do
      assert(tree:set("k", x))
      assert.same(x, (tree:get "k"))
    end
    assert.is_nil(tree:get "nowhere")
  end)

  it("stores JSON that others read, and reads theirs", function()
    tree:set("k", { name = "ada", groups = { "a", "b" } })
    assert.equal('{"groups":["a","b"],"name":"ada"}', store:get_string "k")
    store:set("k", ' { "n" : [1, 2.5e3, null, "\\u00e4"] } ')
    assert.same({ n = { 1, 2500, cjson.null, "ä" } }, (tree:get "k"))
  end)

  it("takes and gives tables in atomic changes", function()
    assert.is_true(tree:add("k", { n = 1 }))
    assert.is_false(tree:add("k", { n = 2 }))
    assert.same({ n = 1 }, (tree:get "k"))
    assert.is_false(tree:replace("other", "text"))
    assert.is_true(tree:replace("k", "text"))
    assert.equal("text", (tree:get "k"))
    assert.is_false(tree:cas("k", { n = 3 }, { n = 1 }))
    assert.is_true(tree:cas("k", { n = 3, m = 4 }, "text"))
    assert.is_true(tree:cas("k", { n = 5 }, { m = 4, n = 3 }))
    assert.is_true(tree:cas("k", { n = 6 }, store:get("k"):version()))
    assert.is_true(tree:cas("k", { n = 7 }, store:get "k"))
    assert.same({ n = 7 }, (tree:gat("k", 60)))
    assert.is_true(tree:stat("k").ttl > 50)
    assert.same({ n = 7 }, (tree:take "k"))
    assert.is_nil(tree:take "k")
    assert.is_nil(tree:gat("k", 60))
    assert.equal(2, tree:incr("n", 2))
    assert.equal(2, (tree:get "n"))
    assert.error_matches(function() tree:append("k", "x") end,
      "serialize: append adds bytes, and then a value is no JSON; use cas")
    local ok, err = pcall(tree.add, tree, "k", { f = print })
    assert.is_false(ok)
    assert.matches("value.f is a function", tostring(err))
    store:set("k", "no JSON")
    assert.equal("corrupt", select(2, tree:take "k").code)
  end)

  it("takes and gives tables in batches of atomic changes", function()
    local keys = { "a", "b" }
    assert.same({ "ok", "ok" }, { unpack(tree:add_many(keys, { { 1 }, "x" }), 1, 2) })
    assert.same({ "ok", "ok" },
      { unpack(tree:replace_many(keys, { { 2 }, "y" }), 1, 2) })
    local reply = tree:cas_many(keys, { { 3 }, "z" }, { { 2 }, "x" })
    assert.same({ "ok", "rejected" }, { reply[1], reply[2] })
    assert.same({ { 3 }, "y" }, tree:gat_many(keys, 60).tables)
    assert.same({ { 3 }, "y" }, tree:take_many(keys).tables)
    assert.is_nil(tree:get "a")
    assert.error_matches(function() tree:append_many(keys, { "x", "y" }) end, "use cas")
  end)

  it("works in batches, and with peek and fetch", function()
    local reply = tree:set_many({ "a", "b", "a" }, { { 1 }, { 2 }, { 3 } })
    assert.is_true(reply:all "good")
    reply = tree:get_many { "a", "b", "c", "a" }
    assert.same({ "ok", "ok", "miss", "ok" }, { reply[1], reply[2], reply[3],
      reply[4] })
    assert.same({ { 3 }, { 2 }, nil, { 3 } }, reply.tables)
    local x, err, facts = tree:peek "b"
    assert.same({ { 2 }, false }, { x, facts.stale })
    assert.is_nil(err)
    weir.run(function()
      local calls = 0
      for _ = 1, 2 do
        assert.same({ id = "u" }, (tree:fetch("u", function(key)
          calls = calls + 1
          return { id = key }
        end)))
      end
      assert.equal(1, calls)
      local many = tree:fetch_many({ "u", "v", "w" }, function()
        return { v = { 5 } }
      end)
      assert.same({ { id = "u" }, { 5 } }, many.tables)
      assert.equal("miss", many[3])
      local _, why = tree:fetch("x", function() return { print } end)
      assert.matches("the value%[1%] is a function", tostring(why))
    end)
  end)

  it("raises, at the caller, what cannot be stored, and says where", function()
    tree = store:serialize { max = 1000 }
    local own = {}
    own.own = own
    local bomb = {}
    for _ = 1, 90 do bomb = { bomb, bomb } end
    for text, value in pairs {
      ["value is a function"] = print,
      ["value.a[2] is a thread"] = { a = { 1, coroutine.create(print) } },
      ["value.n is nan"] = { n = 0 / 0 },
      ["value is inf"] = math.huge,
      ["or a table holds itself"] = own,
      ["value has 2 items and no item 2: a list has no holes"] = { 1, [3] = 3 },
      ["value has names and a key that is a number"] = { 1, x = 2 },
      ["value has names and a key that is a boolean"] = { [true] = 1 },
      ["is larger than max, 1000 bytes"] = bomb,
    } do
      local here = debug.getinfo(1, "l").currentline
      local ok, err = pcall(function() tree:set("k", value) end)
      assert.is_false(ok)
      assert.is_truthy(err:find(text, 1, true), err)
      assert.is_truthy(err:find("serialize_spec.lua:" .. here + 1, 1, true), err)
    end
    assert.has_error(function() tree:set_many({ "a" }, { print }) end)
    local ok, err = pcall(function() tree:get(5) end)
    assert.is_false(ok)
    assert.matches("serialize_spec.lua:%d+: a key is a string", err)
    assert.is_nil(store:get "k")
  end)

  it("is corrupt for whatever is no JSON, and never anything worse", function()
    local random = fake.generator(2)
    local texts = { "", "{", "nil", "[1,]", "{\"a\"}", "\"", "NaN", "0x10", "[1 2]",
      ("["):rep(1000), ("["):rep(100000), ("{\"a\":"):rep(5000), "\0", "1 2" }
    for _, text in ipairs(texts) do
      store:set("k", text)
      local x, err = tree:get "k"
      assert.is_nil(x)
      assert.equal("corrupt", err.code, text:sub(1, 20))
    end
    assert.equal(#texts, tree:tally().corrupt)
    -- Damage may leave another JSON: checksum finds that.
    local sum = store:checksum():serialize()
    for _ = 1, 500 do
      local value = { some_value(random, 4) }
      sum:set("k", value)
      local text = store:get_string "k"
      local at = 1 + math.floor(random() * #text)
      local bytes = text:sub(1, at - 1)
        .. string.char((text:byte(at) + 1 + math.floor(random() * 255)) % 256)
        .. text:sub(at + 1)
      store:set("k", bytes)
      local x, err = sum:get "k"
      -- One byte of the head says nothing.
      if x ~= nil then assert.same(value, x) end
      assert(x ~= nil or err.code == "corrupt" or err.code == "toobig")
      store:set("k", bytes:sub(25))
      tree:get "k"
    end
    store:set("good", "[1]")
    store:set("bad", "[1")
    local reply = tree:get_many { "good", "bad" }
    assert.same({ "ok", "corrupt" }, { reply[1], reply[2] })
    assert.same({ { 1 } }, reply.tables)
  end)

  it("bounds what it reads", function()
    local small = store:serialize { max = 100 }
    store:set("k", "\"" .. ("x"):rep(200) .. "\"")
    assert.equal("toobig", select(2, small:get "k").code)
    assert.has_error(function() small:set("k", ("x"):rep(200)) end)
  end)

  it("composes with the words that work on bytes", function()
    local all = store:chunk(1000):checksum():compress { above = 1 }:serialize()
    local value = {}
    for i = 1, 5000 do value[i] = { id = i * 7919 % 65537 } end
    assert(all:set("k", value))
    assert.same(value, (all:get "k"))
    assert.is_true(store:stat("k").size < 200)
  end)

  it("changes the verbs of a policy file, and after a reload no more", function()
    local folder = shell.folder()
    local path = folder .. "/kv.lua"
    shell.write(path, "return memory {}:serialize()")
    local loaded = weir.load(path)
    assert(loaded:set("k", { 1 }))
    assert.same({ 1 }, (loaded:get "k"))
    assert.same({}, Check.run(loaded))
    shell.write(path, "return memory {}")
    assert(loaded:reload())
    assert.equal("[1]", tostring(loaded:get "k"))
    shell.write(path, "return memory {}:serialize():coalesce()")
    assert(loaded:reload())
    local found = Check.run(loaded)
    assert.equal("serialize", found[1].rule)
    assert.matches("below coalesce", found[1].message)
    loaded:close()
    shell.remove(folder)
  end)

  it("is JSON for the command", function()
    local folder = shell.folder()
    local path = folder .. "/kv.lua"
    shell.write(path, ("return fs { path = %q }:serialize()"):format(folder .. "/f"))
    weir.run(function()
      local loaded = weir.load(path)
      assert(loaded:set("k", { a = 1 }))
      loaded:close()
    end)
    local _, out = shell.run("build/weir get " .. path .. " k")
    assert.equal('{"a":1}', (out:gsub("%s+$", "")))
    shell.remove(folder)
  end)
end)
