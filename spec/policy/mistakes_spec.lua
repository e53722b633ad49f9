-- What people mistype in a policy file, and what they are told: the word, what was
-- expected, and what to write instead. More of them are in the specs of each word.

local Check = require "weir.language.check"
local Pattern = require "weir.policy.shared.pattern"
local weir = require "weir"

-- Loaded here: while a word is loaded for the first time, busted's own loader runs.
for _, word in ipairs { "serialize", "crypt", "readonly", "quota", "failover" } do
  require("weir.policy." .. word)
end

-- The message of a policy file, with the line of the file in front.
local function message_of(text)
  local path = os.tmpname()
  finally(function() os.remove(path) end)
  local file = assert(io.open(path, "w"))
  file:write(text)
  file:close()
  local ok, err = pcall(weir.load, path)
  assert.is_false(ok, text)
  return (tostring(err):gsub("^.-:1: ", "FILE: ", 1))
end

local function says(text, expected)
  local message = message_of(text)
  assert.is_truthy(message:find("FILE: " .. expected, 1, true), message)
end


describe("a policy file with a mistake", function()
  it("is told of a misspelt option before one that is missing", function()
    says('return memory {}:crypt { key = "x" }',
      'crypt: has no option "key"; it has key_file, plain, apart, max')
    says('return memory {}:spool { pth = "x" }',
      'spool: has no option "pth"; did you mean "path"?')
  end)

  it("is told which options there are where none is near", function()
    says('return memory {}:serialize { codec = "cjson" }',
      'serialize: has no option "codec"; it has max')
    says("return memory {}:readonly { soft = true }",
      'readonly: has no option "soft"; it has none')
  end)

  it("is told that stores have no names", function()
    says("return tier { a = memory {} }",
      "tier: needs at least 2 stores, written without names such as a =")
    says("return warmup { cold = memory {} }",
      "warmup: needs at least 2 stores, written without names such as cold =")
  end)

  it("is told what else an option takes", function()
    for _, x in ipairs { '"back"', "back", '"selective"' } do
      says(("return tier { memory {}, memory {}, write = %s }"):format(x),
        'tier: write is one of "through", "around", or back { ... }, not ')
    end
  end)

  it("is told that a predicate is missing", function()
    says('return tier { memory {}, memory {}, demote = { rate = "2MB/s" } }',
      "tier: demote needs a predicate: { hits(1), rate = ")
    for _, word in ipairs { "all", "any" } do
      says(("return tier { memory {}, memory {}, promote = %s() }"):format(word),
        word .. ": needs a predicate, such as " .. word .. "(hits(2), ")
    end
    says('return memory {}:admit(cheaper { load = 1e9, recompute = "40us/MiB" })',
      'cheaper: recompute is the time for a KiB, such as "40us/KiB", not "40us/MiB"')
  end)

  it("is told that a path is a path", function()
    says("return tier { memory {}, memory {}, write = back { journal = 5 } }",
      "back: journal is a path, not 5")
  end)

  it("is told how to use a word that is no method, or no store", function()
    says('return memory {}:quota { by = "^.", default = "1MiB" }',
      'quota is no method of a store; write quota { by = "^([^:]+):"')
    says("return memory {}:failover { memory {} }",
      "failover is no method of a store; write failover { far, ram, ttl = 60 }")
    says("return memory {}:memory {}", "memory is no method of a store")
    says("return memory {}:retri {}",
      'no store has a method "retri"; did you mean "retry"?')
    says("return memory:retry { 2 }",
      "memory is a word, not a store; call it: memory {}")
    says("return weir.memory {}", 'no word "weir"; write local weir = require "weir"')
  end)

  it("is told the line of a mistake after one of LuaJIT's own functions", function()
    says('return quota { by = "^(.-):" }',
      "quota: needs default = the quota of a tenant")
    says("return tier { memory {}, { run = print } }", "tier: item 2 is a store, not a "
      .. "table with run; write policy { run = ... }")
    says("return retry { { run = print } }", "retry: its first argument is a store, "
      .. "not a table with run; write policy { run = ... }")
    for _, word in ipairs { "tier", "shard", "failover", "mirror" } do
      says(("return %s(memory {}, memory {})"):format(word),
        ("%s: takes a table of stores, not a store; write %s { a, b }"):format(word,
          word))
    end
    says("return byop(memory {}, memory {})",
      "byop: takes a table of stores by op, such as { get = a, default = b }")
    says("table.remove({}) return tier { memory {} }", "tier: needs at least 2 stores")
  end)

  it("is told what it returns", function()
    assert.matches("returns a number; its last line must return a store",
      message_of "return 5")
  end)
end)


describe("a pattern", function()
  it("is refused when Lua would refuse it in the midst of a request", function()
    for text, why in pairs {
      ["^(.-:"] = "a ( has no )", ["a)"] = "a ) has no (", ["[a"] = "a [ has no ]",
      ["[^]"] = "a [ has no ]", ["a%"] = "it ends with %",
      ["%bx"] = "%b needs two characters", ["%fa"] = "%f needs a [set]",
      ["(%1)"] = "%1 is no capture before it",
      ["()a"] = "() captures a place, not text",
      [("(a)"):rep(33)] = "it has more than 32 captures",
    } do
      assert.equal(why, Pattern.fault(text))
    end
    says('return quota { by = "^(.-:", default = "1MiB" }',
      'quota: by = "^(.-:" is no Lua pattern: a ( has no )')
    says('return shard { memory {}, memory {}, key = "[a" }',
      'shard: key = "[a" is no Lua pattern: a [ has no ]')
  end)

  it("is taken otherwise", function()
    for _, text in ipairs { "", "^([^:]+):", "^(.-)/", "[]]", "[^]]", "[%]]", "%(",
      "%b()", "%f[%a]%a+", "(a)%1", "((a)b)", "a-$", ".-" } do
      assert.is_nil(Pattern.fault(text))
      assert.is_true((pcall(string.find, "(a)b:", text)))
    end
  end)
end)


describe("weir check", function()
  local function found(build)
    local store = weir.load(build)
    local list = Check.run(store)
    store:close()
    return list[1] and list[1].rule .. ": " .. list[1].message, #list
  end

  -- luacheck: globals tier memory origin back
  it("finds a write-back to what takes no writes", function()
    for _, last in ipairs { "origin", "readonly" } do
      assert.equal("back: has write = back, but " .. last .. " takes no writes, so "
        .. "none is ever flushed", (found(function()
        local far = last == "origin" and origin(function() return {} end)
          or memory {}:readonly()
        return tier { memory {}, far, write = back {} }
      end)))
    end
  end)

  it("finds a crypt outside a compress", function()
    local path = os.tmpname()
    finally(function() os.remove(path) end)
    local file = assert(io.open(path, "w"))
    file:write("1 ", ("0"):rep(63), "5\n")
    file:close()
    os.execute("chmod 600 " .. path)
    assert.matches("crypt: stands outside a compress", (found(function()
      return memory {}:compress():checksum():crypt(path)
    end)))
    assert.equal(0, select(2, found(function()
      return memory {}:crypt(path):checksum():compress()
    end)))
  end)
end)
