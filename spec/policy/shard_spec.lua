local Ch3 = require "weir.policy.shard.ch3"
local Crc32 = require "weir.policy.shard.crc32"
local fake = require "fake"
local script = require "fake.store"
local Jump = require "weir.policy.shard.jump"
local md5 = require "weir.policy.shard.md5"
local Slots = require "weir.policy.shard.slots"
local weir = require "weir"

local HASHES = { "rendezvous", "ketama", "slots", "jump", "ch3", "crc32" }
local NAMES = { "10.0.1.1:11211", "10.0.1.2:11211", "10.0.1.3:11211" }

-- Where zlib says that key1 to key12 are among three.
local CRC32 = { 2, 2, 1, 1, 2, 2, 3, 3, 3, 1, 2, 2 }

-- Where key1 to key12 are among NAMES. Those of ketama were computed with Python's
-- hashlib from libketama's definition, the others with this code: they must stay.
local GOLDEN = {
  rendezvous = { 3, 3, 2, 2, 1, 2, 1, 2, 3, 1, 3, 3 },
  ketama = { 2, 1, 1, 2, 3, 1, 3, 2, 3, 1, 2, 1 },
  slots = { 1, 1, 2, 3, 1, 1, 1, 2, 2, 3, 3, 3 },
}

local function placement(hash, names, weights)
  return require("weir.policy.shard." .. hash).new(names, weights)
end

local function owners(hash, names, n, weights)
  local place, list = placement(hash, names, weights), {}
  for i = 1, n do list[i] = names[place:owner("key" .. i)] end
  return list
end


describe("placement", function()
  it("keeps its golden vectors", function()
    for hash, golden in pairs(GOLDEN) do
      local place = placement(hash, NAMES)
      for i, owner in ipairs(golden) do
        assert.equal(owner, place:owner("key" .. i), hash .. " key" .. i)
      end
    end
  end)

  it("computes what its papers and servers publish", function()
    assert.same({ 0, 43, 0, 361, 520 }, { Jump.bucket(1ULL, 1), Jump.bucket(42ULL, 57),
      Jump.bucket(0xDEAD10CCULL, 1), Jump.bucket(0xDEAD10CCULL, 666),
      Jump.bucket(256ULL, 1024) })
    assert.same({ 12739, 12182, 5061, 866 }, { Slots.slot "123456789",
      Slots.slot "foo", Slots.slot "bar", Slots.slot "hello" })
    local function hex(s)
      local words = md5(s)
      for i = 1, 4 do words[i] = bit.tohex(bit.bswap(words[i])) end
      return table.concat(words)
    end
    assert.equal("d41d8cd98f00b204e9800998ecf8427e", hex "")
    assert.equal("900150983cd24fb0d6963f7d28e17f72", hex "abc")
    assert.equal("668a72d5ba17f08e62dabcafad6db14b", hex(("x"):rep(56)))
  end)

  it("computes CRC-32 as zlib does", function()
    assert.same({ 0, 3421780262, 222957957 },
      { Crc32.of "", Crc32.of "123456789", Crc32.of "hello world" })
    local place, owners_of = placement("crc32", NAMES), {}
    for i = 1, 12 do owners_of[i] = place:owner("key" .. i) end
    assert.same(CRC32, owners_of)
    assert.same({ 3, 1 }, place:owners("key7", 2))
  end)

  -- The sums over 100,000 keys are those that the tests of mcrouter publish.
  it("computes ch3 as mcrouter does", function()
    assert.same({ 97, 72, 0 },
      { Ch3.bucket("sample", 100), Ch3.bucket("", 100), Ch3.bucket("sample", 1) })
    assert.same({ 5167780, 6173600 },
      { Ch3.bucket("sample", 2 ^ 23), Ch3.bucket("", 2 ^ 23) })
    for n, want in pairs { [2] = 1346413954, [10] = 2894016351, [1000] = 2251851331 } do
      local sum = 0
      for i = 0, 99999 do sum = (sum * 31 + Ch3.bucket("k" .. i, n)) % 2 ^ 32 end
      assert.equal(want, sum, n .. " stores")
    end
  end)

  it("does not care for the order of the children where it knows names", function()
    local turned = { NAMES[3], NAMES[1], NAMES[2] }
    for hash in pairs(GOLDEN) do
      assert.same(owners(hash, NAMES, 500), owners(hash, turned, 500), hash)
    end
  end)

  it("moves only the keys of a child that leaves", function()
    for hash in pairs(GOLDEN) do
      local before = owners(hash, NAMES, 500)
      local after = owners(hash, { NAMES[1], NAMES[3] }, 500)
      for i = 1, 500 do
        assert(before[i] == NAMES[2] or after[i] == before[i], hash .. " key" .. i)
      end
    end
    local before = owners("jump", NAMES, 500)
    local after = owners("jump", { NAMES[1], NAMES[2] }, 500)
    for i = 1, 500 do assert(before[i] == NAMES[3] or after[i] == before[i]) end
  end)

  it("spreads evenly, or by weight", function()
    for _, hash in ipairs(HASHES) do
      local counts, even = { 0, 0, 0 }, not GOLDEN[hash]
      local place = placement(hash, NAMES, not even and { 1, 2, 3 } or nil)
      for i = 1, 6000 do
        local at = place:owner("key" .. i)
        counts[at] = counts[at] + 1
      end
      for i = 1, 3 do
        local share = even and 2000 or 1000 * i
        assert.is_true(math.abs(counts[i] - share) < 0.3 * share,
          ("%s: %d of %d"):format(hash, counts[i], share))
      end
    end
  end)
end)


describe("shard", function()
  local host, stores
  before_each(function()
    host, stores = fake.host(), {}
    for i = 1, 4 do stores[i] = script.store(host, "s" .. i) end
  end)
  after_each(fake.leave)

  local function shard(options)
    local given = { unpack(stores) }
    for name, value in pairs(options or {}) do given[name] = value end
    return weir.shard(given)
  end

  local function holders(key)
    local list = {}
    for i, store in ipairs(stores) do
      if store.data[key] then list[#list + 1] = i end
    end
    return list
  end

  it("puts every key in one store and finds it there", function()
    for _, hash in ipairs(HASHES) do
      local tree, keys = shard { hash = hash }, {}
      for i = 1, 50 do keys[i] = hash .. i end
      host:main(function()
        assert.is_true(tree:set_many(keys, keys):all "good")
        local reply = tree:get_many(keys)
        for i = 1, 50 do assert.equal(keys[i], reply:string(i)) end
      end)
      for i = 1, 50 do assert.equal(1, #holders(keys[i])) end
    end
  end)

  it("keeps keys with one tag, or one part, together", function()
    for _, options in ipairs { { tags = true }, { hash = "slots" },
      { key = "{(.-)}" } } do
      local tree = shard(options)
      local first = tree:explain("get", "a{user}")[2].name
      for i = 1, 20 do
        assert.equal(first, tree:explain("get", i .. "{user}")[2].name)
      end
    end
  end)

  it("writes all replicas; reads go on to the next only on an error", function()
    local tree = shard { replicas = 2 }
    host:main(function()
      assert(tree:set("k", "v"))
      local at = holders "k"
      assert.equal(2, #at)
      local owner = stores[tonumber(tree:explain("get", "k")[2].name:match "%d+")]
      owner.down = "unavailable"
      assert.equal("v", tostring(tree:get "k"))
      assert.equal("unavailable", select(2, tree:set("k", "w")).code)
      owner.down, owner.data.k = nil, nil
      assert.is_nil(tree:get "k")
    end)
  end)

  it("says how many copies there are when one fails", function()
    local a, b = script.store(host, "a"), script.store(host, "b")
    b.down = "busy"
    host:main(function()
      local _, err = weir.shard { a, b, replicas = 2 }:set("k", "v")
      assert.equal("busy", err.code)
      assert.equal("shard: 1 of 2 copies written, 2 wanted: b: scripted", err.message)
    end)
  end)

  it("leaves its replicas equal, in whatever order two writers come", function()
    fake.orders(function(any)
      local a, b = script.store(any, "a"), script.store(any, "b")
      local tree = weir.shard { a, b, replicas = 2 }
      any:main(function()
        any.spawn(function() assert(tree:set("k", "v1")) end)
        assert(tree:set("k", "v2"))
      end)
      assert.equal(a.data.k, b.data.k)
    end)
  end)

  it("scans all of its stores", function()
    local tree = weir.shard { weir.memory {}, weir.memory {}, names = { "a", "b" } }
    for i = 1, 20 do assert(tree:set("k" .. i, "v")) end
    local n = 0
    for _ in tree:scan { page = 3 } do n = n + 1 end
    assert.equal(20, n)
    tree:close()
  end)

  it("reads into buffers wherever the key is", function()
    local ffi = require "ffi"
    local tree = weir.shard { weir.memory {}, weir.memory {}, names = { "a", "b" } }
    local keys, buffers = {}, {}
    for i = 1, 8 do keys[i], buffers[i] = "k" .. i, ffi.new "char[8]" end
    assert.is_true(tree:set_many(keys, keys):all "good")
    assert.is_true(tree:get_into_many(keys, buffers):all "good")
    for i = 1, 8 do assert.equal(keys[i], ffi.string(buffers[i], 2)) end
    tree:close()
  end)

  it("refuses what cannot be meant", function()
    assert.error_matches(function() shard { hash = "md5" } end, "hash is one of")
    for message, weights in pairs {
      ["4 stores but 2 weights"] = { 1, 2 },
      ["4 stores but 5 weights"] = { 1, 2, 3, 4, 5 },
      ["number 2 is 0"] = { 1, 0, 3, 4 },
      ["number 2 is nil"] = { 1, nil, 3, 4 },
      ['by position; there is one for "n"'] = { 1, 2, 3, 4, n = 5 },
    } do
      assert.error_matches(function() shard { weights = weights } end, message)
    end
    assert.error_matches(function()
      shard { hash = "jump", weights = { 1, 1, 1, 1 } }
    end, "takes no weights")
    assert.error_matches(function() shard { names = { "a" } } end, "4 stores but 1")
    assert.error_matches(function() shard { replicas = 5 } end, "5 replicas but 4")
    assert.error_matches(function() shard { key = "(" } end, "is no Lua pattern")
  end)
end)
