-- chunk: large values in pieces. The laws hold for it, too (laws_spec, traps_spec).
local ffi = require "ffi"
local fake = require "fake"
local script = require "fake.store"
local shell = require "shell"
local weir = require "weir"

local function noise(size, seed)
  local random, parts = fake.generator(seed or 1), {}
  for i = 1, math.ceil(size / 4) do
    parts[i] = ("%04x"):format(math.floor(random() * 65536))
  end
  return table.concat(parts):sub(1, size)
end


-- The keys of a store of pieces and of others.
local function keys_of(store)
  local pieces, others = {}, {}
  for key in store:scan() do
    local list = key:find("\0p", 1, true) and pieces or others
    list[#list + 1] = key
  end
  return pieces, others
end


describe("chunk", function()
  local store, tree
  before_each(function()
    store = weir.memory { capacity = "64MiB", shards = 1 }
    tree = store:chunk "1KiB"
  end)
  after_each(function() store:close() end)

  it("returns what was set, singly, in batches and into buffers", function()
    local sizes = { 0, 1, 1023, 1024, 1025, 2048, 2049, 100000 }
    local keys, values, buffers = {}, {}, {}
    for i, size in ipairs(sizes) do
      keys[i], values[i] = "k" .. i, noise(size, i)
      buffers[i] = ffi.new("char[?]", 2048)
    end
    assert.is_true(tree:set_many(keys, values):all "good")
    local reply, into = tree:get_many(keys), tree:get_into_many(keys, buffers)
    for i, value in ipairs(values) do
      assert.is_true(reply:string(i) == value, "size " .. #value)
      assert.is_true(tostring(tree:get(keys[i])) == value)
      assert.equal(#value, into:size(i))
      assert.equal(#value <= 2048 and "ok" or "toobig", into[i])
      if #value <= 2048 then assert.equal(value, ffi.string(buffers[i], #value)) end
    end
    assert.is_nil(tree:get "nowhere")
    local pieces, others = keys_of(store)
    assert.equal(2 + 2 + 3 + 98, #pieces)
    assert.equal(#sizes, #others)
  end)

  it("lists each key once, without its pieces", function()
    for i = 1, 20 do assert(tree:set("k" .. i, noise(3000, i))) end
    local counts, n = {}, 0
    for key in tree:scan { page = 7 } do
      n, counts[key] = n + 1, true
    end
    assert.equal(20, n)
    for i = 1, 20 do assert.is_true(counts["k" .. i]) end
  end)

  it("removes the pieces of what is deleted or replaced", function()
    assert(tree:set("a", noise(5000)))
    assert(tree:set("b", noise(5000)))
    assert(tree:set("a", noise(3000)))
    assert.equal(3 + 5, #keys_of(store))
    assert(tree:set("a", "small"))
    assert.equal(5, #keys_of(store))
    assert.is_true(tree:delete "b")
    local pieces, others = keys_of(store)
    assert.same({ {}, { "a" } }, { pieces, others })
    assert.equal("small", tostring(tree:get "a"))
  end)

  it("gives pieces the time to live of their value", function()
    assert(tree:set("a", noise(3000), { ttl = 100 }))
    for _, key in ipairs(keys_of(store)) do
      local left = store:stat(key).ttl
      assert.is_true(left > 100 and left <= 160)
    end
    local facts = tree:stat "a"
    assert.equal(3000, facts.size)
    assert.is_true(facts.ttl > 90 and facts.ttl <= 100)
    assert.is_true(tree:touch("a", 1000))
    for _, key in ipairs(keys_of(store)) do
      assert.is_true(store:stat(key).ttl > 1000)
    end
    assert.is_true(tree:touch "a")
    for _, key in ipairs(keys_of(store)) do assert.is_nil(store:stat(key).ttl) end
    assert.is_nil(tree:stat "a".ttl)
    assert.is_false(tree:touch("nowhere", 1))
  end)

  it("does not have a value that has lost a piece", function()
    assert(tree:set("a", noise(3000)))
    store:delete(keys_of(store)[2])
    local value, err = tree:get "a"
    assert.same({}, { value, err })
    assert.is_false(tree:exists "a")
    assert.is_nil(tree:stat "a")
    assert.is_false(tree:touch("a", 10))
    assert.equal(3, tree:tally().broken)
    assert.is_true(tree:delete "a")
    assert.equal(0, #keys_of(store))
  end)

  it("takes a piece of another length, and a damaged head, for damage", function()
    assert(tree:set("a", noise(3000)))
    local piece = keys_of(store)[1]
    for _, text in ipairs { "", noise(1023), noise(1025), noise(5000) } do
      store:set(piece, text)
      assert.equal("corrupt", select(2, tree:get "a").code, #text)
    end
    assert(tree:set("b", noise(3000)))
    local head = store:get_string "b"
    for at = 1, #head do
      store:set("b", head:sub(1, at - 1) .. string.char((head:byte(at) + 1) % 256)
        .. head:sub(at + 1))
      assert.equal("corrupt", select(2, tree:get "b").code, at)
    end
    assert.equal(4 + #head, tree:tally().corrupt)
  end)

  it("takes a plain value for damage, or returns it if it is told to", function()
    store:set("plain", "as it was")
    assert.equal("corrupt", select(2, tree:get "plain").code)
    local open = store:chunk { 1024, plain = "accept" }
    assert.equal("as it was", tostring(open:get "plain"))
    assert.is_true(open:set("plain", noise(2000)))
    assert.equal(noise(2000), tostring(open:get "plain"))
    store:checksum():set("other", "x")
    assert.equal("corrupt", select(2, open:get "other").code)
  end)

  it("bounds values, and refuses keys that end as those of pieces", function()
    local small = store:chunk { 1024, max = 4000 }
    assert.equal("toobig", select(2, small:set("a", noise(4001))).code)
    assert(tree:set("a", noise(4001)))
    local err = select(2, small:get "a")
    assert.same({ "toobig", 4001 }, { err.code, err.size })
    local key = keys_of(store)[1]
    local reply = tree:get_many { key, "a" }
    assert.same({ "invalid", "ok" }, { reply[1], reply[2] })
    assert.equal("invalid", select(2, tree:set(key, "x")).code)
  end)

  it("works over other words, in any order", function()
    local text = noise(5000)
    for name, made in pairs {
      above = store:chunk(1024):checksum():compress(),
      below = store:checksum():compress { above = 1 }:chunk(1024),
      shards = weir.shard { store:prefix "a", store:prefix "b" }:chunk(700),
      tier = weir.tier { weir.memory {}, store:chunk(1000) },
    } do
      assert(made:set(name, text))
      assert(made:set(name, text .. "2"))
      assert.equal(text .. "2", tostring(made:get(name)), name)
      assert.is_true(made:exists(name), name)
      assert.is_true(made:delete(name), name)
      assert.is_nil(made:get(name))
      assert.equal(0, #keys_of(store), name)
    end
  end)
end)


describe("chunk over files", function()
  it("writes and reads pieces of a real folder", function()
    local folder = shell.folder()
    weir.run(function()
      local store = weir.fs { path = folder }
      local tree = store:chunk "64KiB"
      local text = noise(1000000)
      assert(tree:set_many({ "a", "b" }, { text, "b" }):all "good")
      local reply = tree:get_many { "a", "b", "c" }
      assert.is_true(reply:string(1) == text)
      assert.same({ "ok", "ok", "miss" }, { reply[1], reply[2], reply[3] })
      local buffer = ffi.new("uint8_t[?]", #text)
      assert.equal(#text, tree:get_into("a", buffer))
      assert.is_true(ffi.string(buffer, #text) == text)
      assert.equal(16, #keys_of(store))
      assert.is_true(tree:delete "a")
      while #keys_of(store) > 0 do weir.sleep(0.01) end
      store:close()
    end)
    shell.remove(folder)
  end)
end)


describe("chunk over a tier", function()
  after_each(fake.leave)

  it("copies no value for a peek", function()
    local host = fake.host {}
    local upper, lower = script.store(host, "upper"), script.store(host, "lower")
    local tree = weir.tier { upper, lower } :chunk(4)
    host:main(function() lower:chunk(4):set("k", "x") end)
    host:main(function() assert(tree:peek "k") end)
    assert.is_nil(upper.data.k)
    host:main(function() assert(tree:get "k") end)
    assert.is_not_nil(upper.data.k)
  end)
end)


describe("chunk, in each order of events", function()
  after_each(fake.leave)

  local function scene(fn)
    return fake.orders(function(host)
      local far = script.store(host, "far")
      fn(host, far, far:chunk(4))
    end)
  end

  local OLD, NEW = "old old", "new new"

  it("never mixes the pieces of two values", function()
    local runs = scene(function(host, far, tree)
      host:main(function() tree:set("k", OLD) end)
      local seen, err
      host:main(function()
        host.spawn(function() tree:set("k", NEW) end)
        local value
        value, err = tree:get "k"
        seen = value and tostring(value)
      end)
      assert(seen == OLD or seen == NEW, tostring(seen) .. tostring(err))
      local n = 0
      for _ in pairs(far.data) do n = n + 1 end
      assert.equal(1 + 2, n)
    end)
    assert.is_true(runs > 20, runs)
  end)

  it("never has parts of what another process writes", function()
    scene(function(host, far, tree)
      local other = far:chunk(4)
      host:main(function() tree:set("k", OLD) end)
      local seen, err
      host:main(function()
        host.spawn(function() other:set("k", NEW) end)
        local value
        value, err = tree:get "k"
        seen = value and tostring(value)
      end)
      assert(seen == OLD or seen == NEW, tostring(seen) .. tostring(err))
    end)
  end)

  it("leaves no pieces behind when a value is deleted meanwhile", function()
    scene(function(host, far, tree)
      host:main(function()
        host.spawn(function() tree:set("k", NEW) end)
        tree:delete "k"
      end)
      local n = 0
      for _ in pairs(far.data) do n = n + 1 end
      assert(n == 0 or n == 1 + 2, n)
    end)
  end)
end)


describe("chunk over a store that fails", function()
  local host, far, tree
  before_each(function()
    host = fake.host {}
    far = script.store(host, "far")
    tree = far:chunk(4)
    host:main(function() tree:set("k", "old old old") end)
  end)
  after_each(fake.leave)

  local function run(fn)
    local result
    host:main(function() result = fn() end)
    return result
  end

  local function count()
    local n = 0
    for _ in pairs(far.data) do n = n + 1 end
    return n
  end

  it("has the old value, and no new pieces, when a piece is not taken", function()
    for _, name in ipairs { "busy", "timeout", "nospace" } do
      local n = 0
      function far.script(op, key)
        if op == "set" and key ~= "k" then
          n = n + 1
          return n == 2 and name or nil
        end
      end
      local err = run(function() return select(2, tree:set("k", "new new n")) end)
      assert.equal(name, err.code)
      far.script = nil
      assert.equal("old old old", run(function() return tree:get_string "k" end))
      assert.equal(1 + 3, count())
    end
  end)

  it("has one of the two when the reply of the head is lost", function()
    for _, applied in ipairs { true, false } do
      far.faults.k, far.maybe_applied = nil, applied
      function far.script(op, key)
        return op == "set" and key == "k" and "timeout" or nil
      end
      local err = run(function() return select(2, tree:set("k", "new new n")) end)
      assert.equal("timeout", err.code)
      far.script = nil
      local value = run(function() return tree:get_string "k" end)
      assert.equal("new new n", value)
      -- The pieces of the other value stay, until they are swept.
      assert.is_true(count() > 1 + 3)
      run(function() tree:sweep { older = 0.001 } end)
      assert.equal(1 + 3, count())
    end
  end)

  it("is an error when a piece is, and not a miss", function()
    function far.script(op, key)
      return op ~= "delete" and key:find "2$" and "timeout" or nil
    end
    for _, verb in ipairs { "get", "exists", "stat", "touch" } do
      local err = run(function()
        if verb == "touch" then return select(2, tree:touch("k", 9)) end
        return select(2, tree[verb](tree, "k"))
      end)
      assert.equal("timeout", err and err.code, verb)
    end
  end)

  it("has a value for exists and stat while it is replaced", function()
    for op, value in pairs { exists = "longer than it was", stat = "new" } do
      local found
      host:main(function()
        assert(tree:set("k", "old old old"))
        host:hold "far.exists" -- the heads are read, the pieces are not
        host.spawn(function() found = tree[op](tree, "k") end)
        assert(far:chunk(4):set("k", value))
        host.sleep(1)
        assert.equal(1, host:release "far.exists")
      end)
      assert.truthy(found, op)
    end
  end)

  it("asks for all keys at once, level by level", function()
    run(function()
      return tree:set_many({ "a", "b", "c" }, { "aaaaa", "bbbbbbbbb", "c" })
    end)
    far.log = {}
    local reply = run(function() return tree:get_many { "a", "b", "c", "d" } end)
    assert.same({ "ok", "ok", "ok", "miss" }, { reply[1], reply[2], reply[3],
      reply[4] })
    assert.equal(2, #far.log)
    far.log = {}
    run(function() return tree:set_many({ "a", "b", "c" }, { "AAAAA", "B", "C" }) end)
    local ops = {}
    for i, line in ipairs(far.log) do ops[i] = line:match "^%S+" end
    assert.same({ "stat", "get", "set", "set", "delete" }, ops)
  end)

  it("removes, by sweep, what a crash between pieces and head left", function()
    local task
    host:hold "far.set.reply"
    host:main(function()
      task = host.spawn(function() far:chunk(4):set("dead", "a long value") end)
    end)
    assert.is_true(task ~= nil and far.data.dead == nil)
    local before = count()
    assert.equal(1 + 3 + 3, before)
    local other, removed, seen = far:chunk(4), nil, nil
    far.log = {}
    host.held = {}
    run(function() removed, seen = other:sweep() end)
    assert.same({ 0, 6 }, { removed, seen }) -- young
    run(function() removed, seen = other:coalesce():sweep { older = 0.001 } end)
    assert.same({ 3, 6 }, { removed, seen })
    assert.equal("old old old", run(function() return tree:get_string "k" end))
    assert.equal(3, other:tally().swept)
  end)

  it("says in an error why it could not sweep", function()
    far.down = "unavailable"
    local err = run(function() return select(2, tree:sweep()) end)
    assert.equal("unavailable", err.code)
    assert.has_error(function() tree:sweep { oldr = 1 } end)
  end)

  it("drops the older value when a piece is not admitted", function()
    local top = far:admit(weir.maxsize(60)):chunk(100)
    run(function() return top:set("x", "v1") end)
    local stored, err = nil, nil
    run(function() stored, err = top:set("x", ("v"):rep(150)) end)
    assert.same({ false, "rejected" }, { stored, err.code })
    assert.is_nil(run(function() return top:get "x" end))
  end)

  it("passes on that a piece has changed as a change of its value", function()
    local told, piece = {}, nil
    far.tells = true
    for key in pairs(far.data) do piece = key ~= "k" and key or piece end
    tree:listen { hear = function(_, event, keys)
      if event == "changed" then told[#told + 1] = table.concat(keys, ",") end
    end }
    far:tell "regained"
    far:tell("changed", { piece, "other", "k" })
    assert.same({ "k,other" }, told)
  end)

  it("keeps to the deadline, and cleans up after it", function()
    far.takes = 0.4
    local ended, err
    host:main(function()
      local began = host.now()
      err = select(2, tree:set("k", "new new n", { timeout = 1 }))
      ended = host.now() - began
    end)
    assert.is_true(ended <= 1.0001)
    assert.is_not_nil(err)
    far.takes = nil
    assert.equal("old old old", run(function() return tree:get_string "k" end))
    assert.equal(1 + 3, count())
  end)
end)
