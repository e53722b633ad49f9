-- Opening: option tables, words, URLs.
local weir = require "weir"


local function refusal(fn, ...)
  local ok, why = pcall(fn, ...)
  assert.is_false(ok)
  return (assert(tostring(why):match "open_spec.lua:%d+: (.*)", why))
end


describe("an option table", function()
  it("takes numbers, words with units, booleans and tables", function()
    for _, options in ipairs {
      { capacity = 1048576 }, { capacity = "1MiB" }, { inline = false },
      { inline = false, lanes = { get = 1, set = 1 } }, { timeout = 0.25 },
      { inline = false, timeout = "50ms", workers = 1 },
    } do
      assert.is_true(weir.memory(options):close())
    end
  end)

  it("is checked by the connector, whose words are shown as they are", function()
    assert.matches("capasity.*capacity", refusal(function()
      weir.memory { capasity = 1 }
    end))
    assert.matches("expected a size.*1parsec", refusal(function()
      weir.memory { capacity = "1parsec" }
    end))
    assert.matches("workers", refusal(function()
      weir.open("null", { workers = -1 })
    end))
  end)

  it("may not hold what C has no word for", function()
    assert.equal('memory: option "capacity" cannot be a function',
      refusal(function() weir.memory { capacity = print } end))
    assert.equal('memory: option "capacity" cannot be a string with a NUL byte',
      refusal(function() weir.memory { capacity = "1\0" } end))
    assert.equal("memory: no option is named \"capacity\\0x\"",
      refusal(function() weir.memory { ["capacity\0x"] = "1MiB" } end))
    for _, target in ipairs { "memory\0x", "memory://\0x", "memory://?capacity=1\0" } do
      assert.equal("memory: the name or URL of a store has no NUL byte",
        refusal(function() weir.open(target) end))
    end
    assert.equal('memory: option "capacity" cannot be inf',
      refusal(function() weir.memory { capacity = math.huge } end))
    assert.equal("memory: options are { name = value }, not a list",
      refusal(function() weir.memory { "64MiB" } end))
    assert.equal("memory takes a table of options, not a string",
      refusal(function() weir.memory "64MiB" end))
  end)
end)


describe("weir.open", function()
  it("takes a URL, and options that win over it", function()
    local store = weir.open("memory://?max_value=1KiB", { max_value = 4 })
    assert.is_true(store:set("a", "1234"))
    assert.is_nil((store:set("a", "12345")))
    store:close()
  end)

  it("does not repeat a password", function()
    for _, options in ipairs { { 1 }, { timeout = print }, { timout = 1 },
      { ["timeout\0"] = 1 } } do
      local why = refusal(function()
        weir.open("redis://me:secret@127.0.0.1", options)
      end)
      assert.matches("^redis: ", why)
      assert.is_nil(why:find("secret", 1, true))
    end
  end)

  it("says what is wrong with a URL, and which connector is near", function()
    assert.matches("memory", refusal(function() weir.open "memroy://" end))
    assert.matches("not nil", refusal(function() weir.open() end))
  end)
end)


describe("a word of weir", function()
  it("that is unknown raises with the nearest", function()
    assert.equal('weir has no word "memroy"; did you mean "memory"?',
      refusal(function() return weir.memroy end))
    assert.equal('weir has no word "xyzzyplugh"',
      refusal(function() return weir.xyzzyplugh end))
  end)

  it("stands for every connector", function()
    for _, name in ipairs(weir.connectors()) do
      assert.is_function(weir[name])
    end
  end)
end)


describe("weir.run", function()
  it("returns what main returned, and runs in place inside a run", function()
    assert.same({ 1, nil, 3 }, { weir.run(function(...) return ... end, 1, nil, 3) })
    weir.run(function()
      local host = require("weir.host").current()
      weir.run(function() assert.equal(host, require("weir.host").current()) end)
    end)
  end)

  it("refuses what is no function", function()
    assert.equal("weir.run takes a function, not string",
      refusal(function() weir.run "main.lua" end))
  end)
end)
