-- A fast path: hits that weir serve takes from the first store of a tree, past its
-- words, must leave the same statistics, and may be taken only while the words would
-- answer the same.
local fake = require "fake"
local script = require "fake.store"
local Store = require "weir.core.store"
local weir = require "weir"

local always = weir.always

local function memory() return weir.memory { capacity = "16MiB" } end


-- Words over a store s, the first one of their tree.
local PASS = {
  deadline = function(s) return s:deadline(5) end,
  timeout = function(s) return s:timeout(5) end,
  readonly = function(s) return s:readonly() end,
  meter = function(s) return s:meter "m" end,
  coalesce = function(s) return s:coalesce() end,
  ["coalesce over a tier that waits"] = function(s)
    return weir.tier { s, memory():delay(0.001) } :coalesce()
  end,
  retry = function(s) return s:retry { 2, budget = 0.25 } end,
  ttl = function(s) return s:ttl(60) end,
  tier = function(s) return weir.tier { s, memory() } end,
  demote = function(s) return weir.tier { s, memory(), demote = always } end,
}

-- Those that do more at a hit, or may do.
local NONE = {
  ["prefix"] = function(s) return s:prefix "n/" end,
  ["tap"] = function(s) return s:tap(function() end) end,
  ["breaker"] = function(s) return s:breaker {} end,
  ["limit"] = function(s) return s:limit { 10 } end,
  ["negative"] = function(s) return s:negative {} end,
  ["checksum"] = function(s) return s:checksum() end,
  ["route"] = function(s) return weir.route { k = s, default = s } end,
  ["delay"] = function(s) return s:delay(0.001) end,
  ["nested retries"] = function(s) return s:retry { 2 } :meter "m" :retry { 2 } end,
  ["ttl with stale values"] = function(s) return s:ttl(60, { stale = 10 }) end,
  ["a policy of one's own"] = function(s)
    local function run(_, req) return s:run(req) end
    return weir.policy { children = { s }, run = run }
  end,
}


-- The nodes from a tree down to its first store, which comes last.
local function walk(tree)
  local list = {}
  while tree do
    list[#list + 1] = tree
    tree = not tree.handle and tree:fast_path() or nil
  end
  return list
end


-- What a tree has counted, without times.
local function counts(tree)
  local stats = tree:stats()
  for path, entry in pairs(stats) do
    for _, op in pairs(entry.ops) do op.service = op.service and op.service.count end
    if path:find "memory" then stats[path] = nil end
  end
  return stats
end


local KEYS = { "a", "b", "c" }

-- A tree over a memory with KEYS.
local function filled(make)
  local s = memory()
  assert(s:set_many(KEYS, { "1", "22", "333" }):all "good")
  return make(s)
end


describe("a fast path", function()
  for name, make in pairs(PASS) do
    it("of " .. name .. " leaves the counts that gets leave", function()
      weir.run(function()
        local asked, passed = filled(make), filled(make)
        for _ = 1, 4 do assert.is_true(asked:get_many(KEYS):all "good") end
        local nodes = walk(passed)
        assert.is_truthy(nodes[#nodes].handle)
        for i = 1, #nodes - 1 do
          nodes[i]:count_hits { batches = 4, keys = 12, bytes = 24, seconds = 4e-6,
            longest = 2e-6 }
        end
        assert.same(counts(asked), counts(passed))
      end)
    end)
  end

  for name, make in pairs(NONE) do
    it("does not go through " .. name, function()
      weir.run(function()
        local nodes = walk(filled(make))
        assert.is_nil(nodes[#nodes].handle)
      end)
    end)
  end

  it("is checked here for each word that has one", function()
    local found
    local files = assert(io.popen "grep -rl 'fast_path' lua/weir/policy")
    for path in files:lines() do
      found = path:match "([%w_]+)%.lua$"
      assert.is_true(PASS[found] ~= nil or found == "coherent" or found == "node", path)
    end
    files:close()
    assert.is_not_nil(found)
  end)

  it("adds to the budget of a retry as a request does", function()
    local function tokens(work)
      local tree = filled(PASS.retry)
      work(tree)
      return tree:stats().retry.tokens
    end
    local asked = tokens(function(tree) tree:get_many(KEYS) end)
    local passed = tokens(function(tree)
      tree:count_hits { batches = 1, keys = 3, bytes = 6, seconds = 0, longest = 0 }
    end)
    assert.equal(asked, passed)
  end)
end)


describe("the fast path of a tier", function()
  local host, top, far, tree

  before_each(function()
    host = fake.host()
    top, far = script.store(host, "top"), script.store(host, "far", { tells = true })
  end)
  after_each(fake.leave)

  it("is closed while an old copy waits to be deleted", function()
    tree = weir.tier { top, far }
    host:main(function()
      assert(tree:set("k", "old"))
      assert.equal(top, tree:fast_path())
      top.down = "reset"
      assert(tree:set("k", "new"))
      assert.is_nil(tree:fast_path())
      top.down = nil
      assert.equal("new", tostring(tree:get "k"))
      host.sleep(5)
      tree:get "k"
    end)
    assert.equal(top, tree:fast_path())
  end)

  it("is closed without sight, and until the first store is emptied", function()
    tree = weir.tier { top, far, coherent = true }
    top.data.k = "of an earlier process"
    assert.is_nil(tree:fast_path())
    far:tell "regained"
    assert.is_nil(tree:fast_path())
    host:main(function() tree:get "k" end)
    assert.equal(top, tree:fast_path())
    far:tell("lost", "a broken connection")
    assert.is_nil(tree:fast_path())
  end)

  it("is closed with write-back, and where old values are kept", function()
    local write = weir.back { after = 1, max_dirty = "1MiB" }
    local back = weir.tier { top, far, write = write }
    assert.is_nil(back:fast_path())
    local keeper = weir.tier { top, far, stale_if_error = 10 }
    assert.is_nil(keeper:fast_path():fast_path())
  end)

  it("is that of no other store", function()
    assert.is_nil(Store.fast_path(top))
  end)
end)
