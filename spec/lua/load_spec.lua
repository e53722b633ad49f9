local weir = require "weir"
local Load = require "weir.load"


-- Writes a policy file and returns its path, which the test removes.
local function policy_file(text)
  local path = os.tmpname()
  local file = assert(io.open(path, "w"))
  file:write(text)
  file:close()
  return path
end


local function load_text(text, opts)
  local path = policy_file(text)
  local ok, store = pcall(weir.load, path, opts)
  os.remove(path)
  return ok, ok and store or tostring(store):gsub("^.*/[^:]*:", "FILE:"), path
end


describe("a policy file", function()
  it("has the words in scope and returns its store", function()
    local ok, store = load_text [[
      local ram = memory { capacity = "1MiB" }
      return ram
    ]]
    assert.is_true(ok)
    assert.is_true(store:set("a", "1"))
    store:close()
  end)

  it("may be a chunk", function()
    local store = weir.load(loadstring "return memory {}")
    assert.is_true(store:close())
  end)

  it("sees the stores that its host hands in, before any word", function()
    local mine = weir.memory {}
    local _, store = load_text("return redis", { stores = { redis = mine } })
    mine:set("a", "1")
    assert.equal("1", tostring(store:get "a"))
    mine:close()
  end)

  it("says file, line and the nearest word for an unknown one", function()
    local ok, why = load_text "\nlocal a = 1\nreturn memroy { capacity = '1MiB' }"
    assert.is_false(ok)
    assert.equal('FILE:3: no word "memroy"; did you mean "memory"?', why)
  end)

  it("says the nearest word for an unknown method", function()
    local ok, why = load_text "return memory {}:timeot(0.1)"
    assert.is_false(ok)
    assert.equal('FILE:1: no store has a method "timeot"; did you mean "timeout"?', why)
  end)

  it("suggests what its host handed in, too", function()
    local mine = weir.memory {}
    local _, why = load_text("return archvie", { stores = { archive = mine } })
    assert.matches('did you mean "archive"', why)
    mine:close()
  end)

  it("says file and line for a bad option", function()
    local ok, why = load_text "\nlocal a = memory { capasity = 1 }\nreturn a"
    assert.is_false(ok)
    assert.matches("^FILE:2: memory: .*capasity.*capacity", why)
  end)

  it("says the file where a tail call hides the line", function()
    local _, why = load_text "return memory { capasity = 1 }"
    assert.matches("^FILE: memory: .*capasity.*capacity", why)
  end)

  it("says file and line for what does not parse", function()
    local ok, why = load_text "return memory {"
    assert.is_false(ok)
    assert.matches("^FILE:1: ", why)
  end)

  it("has no globals, neither to set nor hidden ones to reach", function()
    local _, why = load_text "ram = memory {}"
    assert.equal("FILE:1: a policy file has no globals: write local ram = ...", why)
    for _, name in ipairs { "io", "debug", "setfenv", "loadfile", "_G" } do
      local ok = load_text("return " .. name)
      assert.is_false(ok)
    end
  end)

  it("must return a store", function()
    local _, why = load_text "local x = 1"
    assert.matches("returns nothing; its last line must return a store", why)
    _, why = load_text "return { 1 }"
    assert.matches("returns table; its last line must return a store", why)
  end)

  it("that fails closes what it had opened", function()
    local kept = {}
    local ok = pcall(Load.build, loadstring "kept.ram = memory {} error 'no'",
      { stores = { kept = kept } })
    assert.is_false(ok)
    local _, err = kept.ram:get "a"
    assert.matches("closed", err.message)
  end)

  it("asks its loader first, which answers for what it hands in", function()
    local mine = weir.memory {}
    local ok = pcall(Load.build, loadstring "memory {} error 'no'", {
      open = function(name) return name == "memory" and function() return mine end end,
    })
    assert.is_false(ok)
    assert.is_true(mine:set("a", "1"))
    mine:close()
  end)

  it("that is not there says so", function()
    local ok, why = pcall(weir.load, "/nowhere/kv.lua")
    assert.is_false(ok)
    assert.matches("/nowhere/kv.lua", why)
  end)
end)
