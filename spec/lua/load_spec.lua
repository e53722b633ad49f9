local weir = require "weir"
local Load = require "weir.language.load"


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

  it("opens what the module opens as its own words do", function()
    local mine = weir.memory {}
    local _, store = load_text("local weir = require 'weir'\n"
      .. "assert(weir.open 'one' == nil)\n"
      .. "return weir.memory {}", {
      stores = { memory = function() return mine end, open = function() end },
    })
    store:set("a", "1")
    assert.equal("1", tostring(mine:get "a"))
    mine:close()
    local _, why = load_text "local weir = require 'weir' return weir.memroy {}"
    assert.equal('FILE:1: no word "memroy"; did you mean "memory"?', why)
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

  -- What a file is told that has `line` as its line 3, and the like.
  local function told(before, line, after)
    local _, why = load_text(table.concat({ "local a = memory {}", before, line,
      after or "" }, "\n"))
    return why
  end

  it("says the line of a word, at the top and in functions", function()
    local calls = { "memory { capasity = 1 }", "tier { a, a, promote = 2 }",
      "retry(a, { times = 0 })", "a:timeout 'x'", "hits(0)", "policy { run = 1 }",
      "open 'nosuch://x'", "open(1)", "memory(1)" }
    for _, call in ipairs(calls) do
      assert.matches("^FILE:3: ", told("", "local x = " .. call, "return a"))
      assert.matches("^FILE:3: ", told("", "return " .. call))
      local called = "\nend\nlocal function again()\nlocal x = f()\nreturn x\nend\n"
        .. "return again()"
      assert.matches("^FILE:3: ", told("local function f()", "local x = " .. call,
        "return x" .. called))
      assert.matches("^FILE:3: ", told("local function f()", "return " .. call, called))
    end
    -- Of a call over several lines, one of these.
    assert.matches("^FILE:[345]: ", told("", "return tier { a,\n a,\n promote = 2 }"))
  end)

  it("says the line of a word in a program, too", function()
    local function build()
      local store = weir.tier { weir.memory {}, weir.memory {}, promote = 2 }
      return store
    end
    local line = debug.getinfo(build, "S").linedefined + 1
    local ok, why = pcall(build)
    assert.is_false(ok)
    assert.matches("load_spec.lua:" .. line .. ": tier: promote", why)
  end)

  it("says what a predicate is", function()
    assert.equal("FILE:3: tier: promote is a predicate such as hits(2) (or always, "
      .. "never, prob, maxsize, bigger, below, all, any), or a function, not the "
      .. "number 2; did you mean hits(2)?",
      told("", "return tier { a, a, promote = 2 }"))
    assert.matches("write always without quotes",
      told("", "return tier { a, a, promote = 'always' }"))
    assert.matches("tier: promote: hits needs its argument, such as hits%(2%)",
      told("", "return tier { a, a, promote = hits }"))
    assert.matches("admit: argument 1 is a predicate", told("", "return a:admit(2)"))
  end)

  it("opens stores by URL", function()
    local ok, store = load_text "return open('memory://?capacity=1MiB', { ttl = 60 })"
    assert.is_true(ok)
    assert(store:set("a", "1"))
    assert.is_true(store:stat "a".ttl > 50)
    store:close()
    local _, why = load_text "\nreturn open 'memroy://'"
    assert.matches('^FILE:2: .*memroy.*memory', why)
    _, why = load_text "return open('redis://u:secret@h', 1)"
    assert.equal("FILE:1: open takes a table of options, not a number", why)
  end)

  describe("that does not end", function()
    local function outcome(text)
      local began, ok, why = weir.now(), load_text(text, { timeout = 0.3 })
      assert.is_false(ok)
      assert.is_true(weir.now() - began < 10)
      return why
    end

    it("is stopped, whatever it catches, and the line is said", function()
      assert.equal("FILE:2: loading did not end within 0.3 s: a policy file builds its "
        .. "stores and returns", outcome "local x = 1\nwhile true do end")
      assert.matches("^FILE:1: loading did not end",
        outcome "while true do pcall(function() while true do end end) end")
      assert.matches("^FILE:2: loading did not end", outcome [[
        local function f(n) return n end
        for i = 1, math.huge do f(i) end]])
      assert.matches("^FILE:1: loading did not", outcome "repeat memory {} until nil")
    end)

    it("leaves the compiler and no hook behind", function()
      outcome "while true do end"
      assert.is_true(jit.status())
      local before = debug.gethook()
      load_text "return memory {}"
      assert.equal(before, debug.gethook())
    end)

    it("leaves none behind either where two wait at once", function()
      local before = debug.gethook()
      weir.run(function()
        local tasks = {}
        for i, seconds in ipairs { 0.02, 0.05 } do
          tasks[i] = weir.spawn(load_text,
            ("require 'weir'.sleep(%g) return memory {}"):format(seconds))
        end
        for i = 1, 2 do weir.join(tasks[i]) end
        local n = 0
        for i = 1, 1e5 do n = n + i end
        assert.equal(5000050000, n)
      end)
      assert.equal(before, debug.gethook())
      assert.is_true(jit.status())
    end)

    it("but waits in a task is not stopped, nor is what runs meanwhile", function()
      local ok, store
      weir.run(function()
        local task = weir.spawn(function()
          ok, store = load_text("require 'weir'.sleep(0.6) return memory {}",
            { timeout = 0.3 })
        end)
        local ends = weir.now() + 0.45
        while weir.now() < ends do end
        weir.join(task)
      end)
      assert.is_true(ok, store)
      store:close()
    end)

    it("leaves the tree before it serving", function()
      local path = policy_file "return memory {}"
      local store = weir.load(path, { timeout = 0.3 })
      assert(store:set("a", "1"))
      local file = assert(io.open(path, "w"))
      file:write "while true do end"
      file:close()
      local ok, why = store:reload()
      os.remove(path)
      assert.is_nil(ok)
      assert.matches(":1: loading did not end", why)
      assert.equal("1", tostring(store:get "a"))
      store:close()
    end)
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
    assert.matches("returns a table; its last line must return a store", why)
    _, why = load_text "return { run = function() end }"
    assert.matches("its last line must return a store, as policy { run = ... } makes",
      why, 1, true)
  end)

  it("that raises what is no message is named with its line", function()
    local kinds = { ["{}"] = "table", ["nil"] = "nil", ["true"] = "boolean" }
    for what, kind in pairs(kinds) do
      local _, why = load_text("local a = 1\nerror(" .. what .. ")")
      assert.equal(("FILE:2: an error that is a %s, not a message"):format(kind), why)
    end
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

  it("that loads itself is refused, also by way of others", function()
    local first, second = os.tmpname(), os.tmpname()
    finally(function()
      os.remove(first)
      os.remove(second)
    end)
    local function write(path, text)
      local file = assert(io.open(path, "w"))
      file:write(text)
      file:close()
    end
    for _, way in ipairs { "return memory {}:ghost %q",
      "return require 'weir'.load %q" } do
      write(first, way:format(second))
      write(second, way:format(first))
      local ok, why = pcall(weir.load, first)
      assert.is_false(ok)
      assert.matches(first .. " loads itself", tostring(why), 1, true)
      write(second, "return memory {}")
      assert.is_true(weir.load(first):close())
    end
  end)

  it("that is not there says so", function()
    local ok, why = pcall(weir.load, "/nowhere/kv.lua")
    assert.is_false(ok)
    assert.matches("/nowhere/kv.lua", why)
  end)
end)
