-- What `weir check` finds in a tree that loads.
-- luacheck: globals memory tier route fault mirror byop null quota back shard bysize
-- luacheck: globals warmup migrate percent redis

local Check = require "weir.language.check"
local Quotas = require "weir.language.quotas"
local shell = require "shell"
local weir = require "weir"

local function findings(build)
  local store = weir.load(build)
  local found = Check.run(store)
  store:close()
  return found
end

local function only(rule, path, build)
  local found = findings(build)
  assert.equal(1, #found, found[2] and found[2].message)
  assert.equal(rule, found[1].rule)
  assert.equal(path, found[1].path)
  return found[1].message
end


describe("weir check", function()
  it("finds nothing in a tree as it should be", function()
    assert.same({}, findings(function()
      local far = fault(memory {}, {}):timeout(0.05):breaker {}:retry { 2 }
      local big = tier { memory {}, far }
      return route { ["meta/"] = far, default = big }:coalesce():deadline(0.5)
    end))
  end)

  it("finds quotas that are more than the memory of the machine", function()
    local memory_of = Quotas.memory
    finally(function() Quotas.memory = memory_of end)
    function Quotas.memory() return 2 ^ 30 end
    local message = only("quota", "[1].quota", function()
      return tier { quota { by = "^(.):", default = "1MiB", a = "40MiB",
        max_tenants = 1000 }, memory {} }
    end)
    assert.equal("promises 1.02 GiB: all quotas, and max_tenants = 1000 times the "
      .. "default of 1 MiB. This machine has 1 GiB", message)
    assert.same({}, findings(function()
      return quota { by = "^(.):", default = "1MiB", max_tenants = 900 }
    end))
    assert.is_true(memory_of() > 2 ^ 26)
  end)

  it("finds a timeout that is not shorter than the one around it", function()
    local message = only("timeout", "timeout", function()
      return memory {}:timeout(0.5):deadline(0.2)
    end)
    assert.matches("timeout%(0.5%) is not shorter than the deadline%(0.2%)", message)
  end)

  it("finds it where a store has two places, too", function()
    local message = only("timeout", '["x/"].deadline.timeout', function()
      local far = memory {}:timeout(0.5)
      return route { default = far:deadline(1), ["x/"] = far:deadline(0.2) }
    end)
    assert.matches("not shorter than the deadline%(0.2%)", message)
  end)

  it("finds a retry over what no attempt can mend", function()
    only("retry", "retry", function() return memory {}:retry { 3 } end)
  end)

  describe("over an shm", function()
    local folder = shell.ram_folder()
    teardown(function() shell.remove(folder) end)

    local function top()
      return weir.shm { path = folder .. "/shm", capacity = "1MiB" }
    end

    -- The rule has one finding, with this text.
    local function says(text, build)
      local messages = {}
      for _, finding in ipairs(findings(build)) do
        if finding.rule == "shm" then messages[#messages + 1] = finding.message end
      end
      assert.equal(1, #messages, text)
      assert.is_truthy(messages[1]:find(text, 1, true), messages[1])
    end

    it("finds what hides the writes of other processes", function()
      for what, build in pairs {
        retry = function() return tier { top():retry { 2 }, memory {} } end,
        ["write = back"] = function()
          return tier { top(), memory {}, write = back {} }
        end,
      } do
        says(what, build)
      end
    end)

    it("finds a mirror that does not see other processes", function()
      for message, build in pairs {
        ['ack is not "all"'] = function()
          return mirror { top(), memory {}, ack = 1 }:limit { inflight = 9 }
        end,
        ["[1] is a tier over an shm"] = function()
          return mirror { tier { top(), memory {} }, memory {} }:limit { inflight = 9 }
        end,
        ["mirror hides"] = function()
          return tier { mirror { top(), memory {} }:limit { inflight = 9 }, memory {} }
        end,
      } do
        says(message, build)
      end
      assert.same({}, findings(function()
        return mirror { top(), memory {}, repair = true }:limit { inflight = 9 }
      end))
    end)

    it("finds nothing where the tier sees them", function()
      assert.same({}, findings(function()
        return tier { top(), memory {}, write = "around" }:negative {}:coalesce()
      end))
      assert.same({}, findings(function()
        return tier { top():ttl(5), memory {}, stale_while = "5s" }
      end))
      assert.same({}, findings(function() return tier { memory {}, top():ttl(5) } end))
    end)
  end)

  it("finds a hedge that never sends again", function()
    only("hedge", "hedge", function() return memory {}:hedge {} end)
    local message = only("hedge", "hedge", function()
      return fault(memory {}, {}):delay(0.01):timeout(0.1):hedge { delay = 0.1 }
    end)
    assert.matches("delay = 0.1 is not shorter than the 0.1 s", message)
    assert.same({}, findings(function()
      return fault(memory {}, {}):delay(0.01):timeout(0.1):hedge {}
    end))
  end)

  it("finds an adaptive limit that has nothing to find out", function()
    only("limit", "limit", function() return memory {}:limit { adaptive = "vegas" } end)
  end)

  it("finds a breaker outside a retry", function()
    only("breaker", "breaker", function()
      return fault(memory {}, {}):retry { 2 }:timeout(1):breaker {}
    end)
  end)

  it("finds a retry and a breaker outside a spool", function()
    for _, word in ipairs { "retry", "breaker" } do
      local message = only("spool", word, function()
        local below = fault(memory {}, {}):spool { "a" }:timeout(1)
        return below[word](below, {})
      end)
      assert.matches("write :" .. word .. " {}:spool {}", message)
    end
  end)

  it("finds two spools in one folder", function()
    only("spool", "[2].spool", function()
      local function kept() return memory {}:limit(1):spool { "a" } end
      return mirror { kept(), kept() }
    end)
  end)

  it("finds a store that is written around its spool", function()
    only("writers", "default.spool", function()
      local far = memory {}
      return byop { set = far, default = far:spool { "a" } }
    end)
  end)

  it("finds a prefix that no key gets to", function()
    local message = only("prefix", '["kv/"].route', function()
      local inner = route { ["meta/"] = memory {}, default = memory {} }
      return route { ["kv/"] = inner, default = memory {} }
    end)
    assert.matches('no key gets to %["meta/"%]', message)
    assert.matches('begin with "kv/"', message)
  end)

  it("finds a mirror that nothing holds back", function()
    only("mirror", "mirror", function() return mirror { memory {}, memory {} } end)
    assert.same({}, findings(function()
      return mirror { memory {}, memory {} }:limit { 100 }
    end))
  end)

  it("finds two words that write one store", function()
    only("writers", "[1].tier", function()
      local shared = memory {}
      return tier { tier { memory {}, shared }, shared }
    end)
  end)

  it("finds a store that is written around its tier", function()
    local message = only("writers", "get.tier", function()
      local cold, warm = memory {}, memory {}
      return byop { get = tier { cold, warm }, default = cold }
    end)
    assert.matches("byop writes the same store", message)
    only("writers", "get.tier", function()
      local far = memory {}
      return byop { get = tier { memory {}, far }, set = far, delete = far }
    end)
  end)

  it("finds a store that is written around other words that must see writes", function()
    for path, build in pairs {
      ["get.negative"] = function()
        local far = memory {}
        return byop { get = far:negative {}, default = far }
      end,
      ["get.ttl"] = function()
        local far = memory {}
        return byop { get = far:ttl { 5, stale = 4, refresh = tostring },
          default = far }
      end,
      ["get.shard"] = function()
        local far = memory {}
        return byop { get = shard { memory {}, far, replicas = 2 }, default = far }
      end,
      ["get.bysize"] = function()
        local far = memory {}
        return byop { get = bysize { { 10, memory {} }, far }, default = far }
      end,
      ["get.warmup"] = function()
        local far = memory {}
        return byop { get = warmup { memory {}, far }, default = far }
      end,
      ["get.negative "] = function() -- and not the tier, which sees all
        local both = tier { memory {}, memory {} }
        return byop { get = both:negative {}, default = both }
      end,
    } do
      local message = only("writers", path:match "%S+", build)
      assert.matches("writes the same store", message)
    end
  end)

  it("finds nothing where the words know of each other", function()
    assert.same({}, findings(function()
      local old, new = memory {}, memory {}
      return migrate { from = old, to = warmup { new, old }, at = 0 }
    end))
    assert.same({}, findings(function()
      local old, new = memory {}, memory {}
      return percent { 5, warmup { new, old }, old }
    end))
    assert.same({}, findings(function()
      local far = redis { port = 1, tracking = true }
      return byop { get = tier { memory {}, far, coherent = true }, default = far }
    end))
    assert.same({}, findings(function()
      local far = redis { port = 1, tracking = true }
      return byop { get = far:negative {}, default = far }
    end))
  end)

  it("lets a byop read directly what is written through the tier", function()
    assert.same({}, findings(function()
      local far = memory {}
      local both = tier { memory {}, far }
      return byop { exists = far, stat = far, default = both }
    end))
    assert.same({}, findings(function()
      local far = memory {}
      return byop { get = far, default = far }
    end))
  end)

  it("finds a null as a tier", function()
    local message = only("null", "tier", function()
      return tier { null {}, memory {} }
    end)
    assert.matches("%[1%] is a null", message)
  end)

  it("lets a route send different keys to one store", function()
    assert.same({}, findings(function()
      local shared = memory {}
      return route { ["a/"] = shared, default = tier { memory {}, shared } }
    end))
  end)
end)
