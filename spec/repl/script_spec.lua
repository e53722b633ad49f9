-- The session in a pipe: what it prints, how it ends.
local cjson = require "cjson"
local shell = require "shell"

local WEIR = (os.getenv "WEIR_BUILD" or "build") .. "/weir "


local function script(lines, arguments)
  return shell.run(WEIR .. "repl " .. (arguments or ""), lines)
end


local function prints(expected, lines, arguments)
  local code, out, err = script(lines, arguments)
  assert.same({ 0, expected, "" }, { code, out, err })
end


describe("a script of the session", function()
  it("prints expressions, and runs statements", function()
    prints('2\n"b"\nnil\n', 'x = 1 + 1\nx\nmemory:set("a", "b") assert(_ == 2)\n'
      .. 'memory:get "a"\nmemory:get "c"')
  end)

  it("prints several results, tables, stores and replies", function()
    prints('1\n"two"\n{ 1, 2, a = "x" }\nstore memory\n  1  ok          "1"\n'
      .. '  2  miss\n', '1, "two"\n{ 1, 2, a = "x" }\n'
      .. 'local done = memory:set("a", "1")\n'
      .. 'memory\nmemory:get_many { "a", "b" }')
  end)

  it("says what to do where C takes no Value", function()
    local code, _, err = script "memory:set('a', 'b')\nio.write(memory:get 'a')"
    assert.equal(3, code)
    assert.matches("use tostring%(v%), or store:get_string%(key%)", err)
  end)

  it("joins the lines of a statement, and of an expression", function()
    prints("1\n2\n", "for i = 1, 2 do\n  print(i)\nend\n")
    prints("{ 1, 2 }\n3\ntrue\n", "{ 1,\n2 }\n1 +\n2\nnot memory:get(\n'a')\n")
    local code, _, err = script "for i = 1, 2 do"
    assert.equal(2, code)
    assert.matches("ends within a statement", err)
  end)

  it("writes bytes as literals that read back", function()
    local bytes = {}
    for byte = 0, 255 do bytes[byte + 1] = string.char(byte) end
    local all = table.concat(bytes)
    local escapes = all:gsub(".", function(c) return ("\\%03d"):format(c:byte()) end)
    local code, out = script(("local k = memory:set('k', '%s')\nmemory:get 'k'")
      :format(escapes))
    assert.equal(0, code)
    assert.equal(all, loadstring("return " .. out)())
  end)

  it("never prints a mebibyte by accident", function()
    local lines = "memory:set('big', ('\\1'):rep(2^20))\nmemory:get 'big'\n"
      .. "memory:get_many { 'big' }\n{ memory:get 'big' }\nprint(memory:get 'big')\n"
    local code, out = script(lines)
    assert.equal(0, code)
    assert.is_true(#out < 2000)
    assert.matches("%.%.%. %(1 MiB%)\n", out)
  end)

  it("writes the bytes themselves when asked to", function()
    local code, out = script(".format raw\nmemory:set('big', ('x'):rep(2^20)) y = 1\n"
      .. "memory:get 'big'\n")
    assert.same({ 0, 2 ^ 20 + 1 }, { code, #out })
  end)

  it("writes JSON a line", function()
    local _, out = script('memory:set("a", "b\\0\\255")\nmemory:get "a"\n'
      .. 'memory:get "z"\n{ a = { 1, 2 } }\nmemory:stat "a"\n.head a\n', "--json")
    local objects = {}
    for line in out:gmatch "[^\n]+" do objects[#objects + 1] = cjson.decode(line) end
    assert.same({ true, { value_hex = "6200ff" }, cjson.null, { a = { 1, 2 } },
      { size = 3 }, { key = "a", size = 3, head_hex = "6200ff" } }, objects)
  end)

  it("writes help as JSON, too", function()
    local _, out = script(".help\n.help get", "--json")
    local all, get = out:match "^([^\n]+)\n([^\n]+)\n$"
    assert.is_string(cjson.decode(all).commands.ls)
    assert.equal("get", cjson.decode(get).word)
  end)

  it("ends with the worst of its exit codes, and runs on after errors", function()
    local code, out, err = script "error 'x'\n1\n"
    assert.same({ 3, "1\n", "weir: x\n" }, { code, out, err })
    code, out = script "1 +* 1\n2"
    assert.same({ 2, "2\n" }, { code, out })
    code, out, err = script ".head nothing"
    assert.same({ 1, "", 'weir: no such key: "nothing"\n' }, { code, out, err })
    code, out, err = script 'weir.fail "timeout":get "a"'
    assert.same({ 3, "" }, { code, out })
    assert.matches("^weir: timeout: ", err)
  end)

  it("names the nearest of what is wrong", function()
    local _, _, err = script("memroy:get 'a'\n.hed x\n.head --byts=1 a\n.use memry\n"
      .. "memory:gte 'a'\n")
    assert.matches("global 'memroy' %(a nil value%); did you mean \"memory\"%?", err)
    assert.matches("no command is called .hed; did you mean \"%.head\"%?", err)
    assert.matches("no store is called memry; did you mean \"memory\"%?", err)
    assert.matches("method 'gte' %(a nil value%); did you mean \"get\"%?", err)
    assert.matches("%.head: no option %-%-byts", err)
    for line, meant in pairs {
      [".get k"] = 'memory:get "k"', [".set k v"] = 'memory:set("k", "v")',
      [".rm k"] = 'memory:delete "k"', [".exit"] = ".quit", [".keys"] = ".ls",
    } do
      _, _, err = script(line)
      assert.equal(("weir: no command is called %s; did you mean %s?\n"):format(
        line:match "^%S+", meant), err)
    end
  end)

  it("waits for verbs, and tells what became of background jobs", function()
    prints("[1] 1\n2\n", "spawn(function() weir.sleep(0.01) return 1 end)\n"
      .. "weir.sleep(0.3) or 2\n")
  end)

  it("shows anything, also what cannot be shown, and lives on", function()
    local code, out, err = script("weir\n"
      .. "setmetatable({}, { __index = function() error 'no' end })\n"
      .. "package.loaded\nw = require 'weir'\n.stores\n1 + 1")
    assert.equal(3, code)
    assert.matches("^{.*}\n{.*}\nmemory  memory  current\n2\n$", out)
    assert.matches("^weir: [^\n]*: no\n$", err)
  end)

  it("waits for its background jobs before it ends, and tells of them", function()
    local code, out, err = script "weir.sleep(0.05) or error('x') &\n1"
    assert.same({ 3, "1\n" }, { code, out })
    assert.matches("^weir: %[1%] input:1: x\n$", err)
    code, out, err = script "setmetatable({}, { __index = error }) &"
    assert.same({ 3, "" }, { code, out })
    assert.matches("^weir: %[1%] ", err)
    out = select(2, script("weir.sleep(0.05) or 5 &\nmemory:set('a', 1) &", "--json"))
    assert.equal('{"job":1,"result":5}\n', out)
  end)

  it("ends with 3 when a slot of a reply is an error", function()
    local code, out = script("redis:get_many { 'a' }", "redis://127.0.0.1:1")
    assert.equal(3, code)
    assert.matches("^  1  unavailable", out)
  end)

  it("refuses changes when it is read-only", function()
    local code, out, err = script("memory:set('a', '1')\nmemory:delete 'a'\n"
      .. "memory:get 'a'\n.bench 10\n.cp memory memory", "--read-only")
    assert.equal(3, code)
    assert.equal("nil\nfrom memory to memory:\ncopied 0 keys, 0 B\n", out)
    local _, refused = err:gsub("memory is open read%-only", "")
    assert.equal(3, refused)
  end)

  it("refuses changes of a store marked prod, as nobody can be asked", function()
    local code, _, err = script("memory:set('a', '1')", "'memory://?prod=true'")
    assert.equal(3, code)
    assert.matches("marked prod, and nobody agreed", err)
  end)

  it("refuses changes of a policy in whose file something is marked prod", function()
    local folder = shell.folder()
    local path = folder .. "/kv.lua"
    for _, text in ipairs {
      "local kv = memory {} :retry { 2 }\nkv.prod = true\nreturn kv",
      "local r = memory {}\nr.prod = true\nreturn tier { memory {}, r } :deadline(1)",
    } do
      shell.write(path, text)
      for lines, arguments in pairs {
        ["kv:set('a', '1')"] = path,
        ["kv = weir.load '" .. path .. "'\nkv:set('a', '1')"] = "",
      } do
        local code, _, err = script(lines, arguments)
        assert.equal(3, code)
        assert.matches("kv is marked prod, and nobody agreed", err)
      end
    end
    local code, _, err = shell.run(WEIR .. "set " .. path .. " a 1")
    shell.remove(folder)
    assert.equal(3, code)
    assert.matches("kv is marked prod, and nobody agreed", err)
  end)

  it("opens several stores, under names of one's own", function()
    local folder = shell.folder()
    shell.write(folder .. "/kv.lua", "return tier { memory {}, memory {} }")
    local _, out = script(".stores", ("fs://%s/a cache=memory %s/kv.lua memory memory")
      :format(folder, folder))
    local names = {}
    for name in out:gmatch "(%S+)[^\n]*\n" do names[#names + 1] = name end
    shell.remove(folder)
    assert.same({ "disk", "cache", "kv", "memory", "memory2" }, names)
  end)

  it("opens a store with a name, with NAME= or with a name from its target", function()
    local folder = shell.folder()
    shell.write(folder .. "/kv.lua", "return null {}")
    local _, out = script(".open memory://\n.open a memory://\n.open größe=memory://\n"
      .. ".load b=" .. folder .. "/kv.lua\n.stores")
    shell.remove(folder)
    assert.equal("memory   memory\nmemory2  memory\na        memory\n"
      .. "größe    memory\nb        null    current\n", out)
    local code, _, err = script ".open\n.open a-b memory\n.open a b c"
    assert.equal(3, code)
    assert.matches("%.open: needs target", err)
    assert.matches("'a%-b' is no name", err)
    assert.matches("%.open: has no place for c", err)
  end)

  it("takes a store that gets a name among its own", function()
    local _, out = script("kv = memory {} :retry { 2 }\nkv:set('a', '1')\n"
      .. ".head kv a\n.tree kv\nkv = nil\n.stores\n")
    assert.equal('true\n"1"\n1 B of 1 B\nretry\n  memory\nmemory  memory  current\n',
      out)
  end)

  it("still calls the connector by the name that a store hides", function()
    prints('"v"\n', 'two = memory { capacity = "1MiB" } two:set("k", "v")\n'
      .. 'two:get "k"')
  end)

  it("tells once that a server is lost, and lives on", function()
    local code, out, err = script("redis:get 'a'\nredis:get 'b'\n1 + 1\n",
      "redis://127.0.0.1:1/")
    assert.same({ 3, "2\n" }, { code, out })
    local _, told = err:gsub("redis is lost", "")
    assert.equal(1, told)
    local _, answered = err:gsub("weir: unavailable:", "")
    assert.equal(2, answered)
  end)

  it("shows the time that passed and the level that answered", function()
    local _, _, err = script("low = memory {} low:set('a', '1')\n"
      .. "kv = tier { memory {}, low, promote = never }\n.time on\nkv:get 'a'\n")
    assert.matches("s, level 2\n$", err)
  end)

  it("shows the breakers of a store, and sets one by hand", function()
    local lines = "kv = memory {} :breaker {}\n.breaker kv\n.breaker kv open\n"
      .. "kv:get 'a'\n.breaker kv\n.breaker kv reset\nkv:get 'a'\n"
      .. ".breaker memory\n"
    local _, out, err = script(lines)
    assert.matches("^breaker  closed\nbreaker  forced_open\nnil\n", out)
    assert.matches("breaker is forced_open\n", err)
    assert.matches("skipped: breaker: open, forced by hand until it is reset", err)
    assert.matches("breaker is closed\n", err)
    assert.matches("there is no breaker\n", err)
    _, _, err = script "kv = memory {} :breaker {}\n.breaker kv opn\n"
    assert.matches("did you mean", err)
  end)

  it("reloads a policy file unless it is wrong, and undoes", function()
    local folder = shell.folder()
    local path = folder .. "/kv.lua"
    local function write(text)
      return ("do local f = io.open(%q, 'w') f:write(%q) f:close() end\n")
        :format(path, text)
    end
    shell.write(path, "return memory {} :prefix 'p/'")
    local _, out, err = script(write "return memory {} :readonly()"
      .. ".reload\n.tree\n" .. write "return memry {}" .. ".reload\n.tree\n"
      .. ".undo\n.tree\n", path)
    shell.remove(folder)
    assert.matches("did you mean \"memory\"", err)
    local trees = {}
    for word in out:gmatch "(%S+)\n  memory\n" do trees[#trees + 1] = word end
    assert.same({ "readonly", "readonly", "prefix" }, trees)
  end)

  it("marks a store prod as its file says now", function()
    local folder = shell.folder()
    local path = folder .. "/kv.lua"
    shell.write(path, "return memory {}")
    shell.write(folder .. "/new", "local kv = null {} kv.prod = true return kv")
    local _, out, err = script(("os.execute 'mv %s/new %s'\n"):format(folder, path)
      .. "kv:reload()\n.stores\nkv:set('a', '1')\n.undo\n.stores\nkv:undo()", path)
    shell.remove(folder)
    assert.equal("0\ntrue\nkv  null  current, prod\nkv  memory  current\nnil\n"
      .. '"there is no earlier version to go back to"\n', out)
    assert.matches("kv is marked prod", err)
  end)

  it("reloads only what a policy file made", function()
    prints('nil\n"memory was not opened from a policy file"\n', "memory:reload()")
  end)

  it("injects faults, and heals", function()
    local _, out, err = script("memory:set('a', '1') x = 1\n.fault busy 100%\n"
      .. "memory:get 'a'\n.heal\nmemory:get 'a'\n.heal\n")
    assert.equal('nil\n"1"\n', "nil\n" .. out)
    assert.matches("busy: ", err)
    assert.matches("has no faults of %.fault", err)
  end)

  it("shows what it was asked for most", function()
    local _, out = script("for i = 1, 3 do memory:get 'hot' end memory:get 'cold'\n"
      .. ".hot 1")
    assert.equal('3  memory  "hot"\n', out)
  end)

  it("lists keys that match, some at a time", function()
    local _, out, err = script("for i = 1, 5 do memory:set('k' .. i, 'v') end\n"
      .. "memory:set('other', 'v') x = 1\n.ls k* --limit=3\n.more\n.ls ?ther\n")
    local _, keys = out:gsub('"k%d"', "")
    assert.equal(5, keys)
    assert.matches('"other"\n$', out)
    assert.matches("stopped after 3 keys; %.more goes on", err)
  end)

  it("takes keys in quotes, with any bytes", function()
    prints('"v"\n1 B of 1 B\n', 'memory:set("a b\\n\\255", "v") x = 1\n'
      .. '.head "a b\\n\\255"\n')
  end)

  it("measures a store with keys of its own, and takes them away", function()
    local code, out = script ".bench 100 16\n.ls\n"
    assert.equal(0, code)
    assert.matches("^set +%S+ ?k? keys/s .-\nget .-\ndelete .-\n$", out)
  end)

  it("watches an expression", function()
    local code, out = shell.run(WEIR .. "watch memory 'n = (n or 0) + 1 return n' "
      .. "-n 3 -e 10ms")
    assert.equal(0, code)
    local seen = {}
    for n in out:gmatch "%d%d:%d%d:%d%d  (%d)\n" do seen[#seen + 1] = n end
    assert.same({ "1", "2", "3" }, seen)
  end)

  it("watches as JSON", function()
    local _, out = shell.run(WEIR .. "watch memory 'nil, 5' -n 2 -e 10ms --json")
    local shown = cjson.decode(out)
    assert.same({ error = "5" }, shown.result)
    assert.is_true(shown.at > 1e9)
  end)

  it("ends as the last evaluation did, and wants something to watch", function()
    local code, out = shell.run(WEIR .. "watch memory 'nosuch.x' -n 1")
    assert.equal(3, code)
    assert.matches("error: ", out)
    for expression, said in pairs {
      ["''"] = "needs an expression",
      ["'store:get('"] = "the expression ends too early: store:get(",
    } do
      local why, _, err = shell.run(WEIR .. "watch memory -n 1 " .. expression)
      assert.same({ 2, "weir watch: " .. said .. "\n" }, { why, err })
    end
    local _, _, err = script ".watch"
    assert.equal("weir: needs an expression\n", err)
  end)

  it("lets no control character of an error reach the terminal", function()
    local _, _, err = script "error('\\27[31m\\155x')"
    assert.equal("weir: \\027[31m\\155x\n", err)
  end)

  it("refuses a mark that is neither true nor false", function()
    local code, _, err = script("", "'memory://?prod=ture'")
    assert.same({ 3, "weir repl: prod is true or false, not 'ture'\n" }, { code, err })
  end)

  it("has help for each command, verb, word, connector and option", function()
    local code, out = script ".help\n"
    assert.equal(0, code)
    local topics = {}
    for name in out:gmatch "\n  (%.%l+)" do topics[#topics + 1] = name end
    for _, pattern in ipairs { "verbs of a store: ([^\n]*)", "words: ([^\n]*)" } do
      for name in out:match(pattern):gmatch "%S+" do topics[#topics + 1] = name end
    end
    for _, name in ipairs { "capacity", "promote", "dry", "--limit" } do
      topics[#topics + 1] = name
    end
    local lines = {}
    for i, topic in ipairs(topics) do lines[i] = ".help " .. topic end
    local err
    code, out, err = script(table.concat(lines, "\n"))
    assert.same({ 0, "" }, { code, err })
    assert.matches("store:get%(key, opts%)\n  Reads a value", out)
    assert.is_true(#topics > 50)
  end)
end)
