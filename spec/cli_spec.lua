-- The command, as people and programs call it.
local cjson = require "cjson"
local Tmux = require "tmux"
local shell = require "shell"

local BUILD = os.getenv "WEIR_BUILD" or "build"
local WEIR = BUILD .. "/weir "
local ALL_BYTES = {}
for byte = 0, 255 do
  ALL_BYTES[byte + 1] = string.char(byte)
end
ALL_BYTES = table.concat(ALL_BYTES)


local function weir(line, input)
  return shell.run(WEIR .. line, input)
end


describe("weir", function()
  local folder, store

  before_each(function()
    folder = shell.folder()
    store = "fs://" .. folder .. "/store "
  end)

  after_each(function()
    shell.remove(folder)
  end)

  it("shows help for itself and for every subcommand", function()
    local code, out = weir "--help"
    assert.equal(0, code)
    for name in out:match("Commands:(.*)Exit codes"):gmatch "\n   (%l+)" do
      local sub_code, sub_out = weir(name .. " --help")
      assert.equal(0, sub_code)
      assert.matches("Usage: weir " .. name, sub_out)
    end
  end)

  it("shows its version", function()
    local code, out = weir "--version"
    assert.equal(0, code)
    assert.matches("^weir %d+%.%d+%.%d+ %(ABI %d+%)\n$", out)
  end)

  it("names the nearest subcommand, option and connector", function()
    local code, _, err = weir "gett memory a"
    assert.equal(2, code)
    assert.matches("get", err)
    code, _, err = weir "get --timout=1s memory a"
    assert.equal(2, code)
    assert.matches("%-%-timeout", err)
    code, _, err = weir "get memry a"
    assert.equal(3, code)
    assert.matches("memory", err)
    code, _, err = weir "get 'memory://?capcity=1MiB' a"
    assert.equal(3, code)
    assert.matches("capacity", err)
  end)

  it("says what was meant by an address, a folder, or a file that is no policy",
    function()
      for line, says in pairs {
        ["get 127.0.0.1:6379 a"] = "did you mean redis://127.0.0.1:6379?",
        ["get cache:6379 a"] = "did you mean redis://cache:6379?",
        ["get '[::1]:6379' a"] = "did you mean redis://[::1]:6379?",
        ["get localhost a"] = "did you mean redis://localhost?",
        ["get FOLDER a"] = "did you mean fs://FOLDER or lmdb://FOLDER?",
        ["ls spec"] = "did you mean fs://?path=spec or lmdb://?path=spec?",
        ["get redis:/127.0.0.1 a"] = "a URL begins with redis://",
        ["get fs://FOLDER/x a"] = "a path needs a third slash: fs:///",
        ["get README.md a"] = "README.md is read as a policy file: ",
        ["get kv.la a"] = "; there is no file kv.la either\n",
        ["get kv a"] = "; there is no file kv either\n",
        ["get ./kv a"] = "a connector; there is no file ./kv either\n",
        ["get fs a"] = "fs: option path is missing: folder to keep values in\n",
        ["get memry a"] = "did you mean memory?\n",
        ["get '' a"] = "weir get: the name of the store is empty\n",
      } do
        local at = line:find "fs://" and folder:sub(2) or folder
        local code, _, err = weir((line:gsub("FOLDER", at)))
        assert.equal(3, code, line)
        assert.is_truthy(err:find(says:gsub("FOLDER", folder), 1, true), err)
      end
    end)

  it("helps with `weir help` and `weir help NAME`, too", function()
    assert.same({ weir "--help" }, { weir "help" })
    assert.same({ weir "rm --help" }, { weir "help rm" })
    local code, _, err = weir "help gte"
    assert.equal(2, code)
    assert.matches("Did you mean 'get'", err)
    for word, meant in pairs { hlep = "help", version = "--version",
      Version = "--version", del = "rm", put = "set", keys = "ls" } do
      assert.same({ 2, "", ("weir: unknown command '%s'\nDid you mean '%s'?\n"
        .. "Try: weir --help\n"):format(word, meant) }, { weir(word) })
    end
    assert.same({ 2, "", "weir: unknown command 'qqqqqq'\nTry: weir --help\n" },
      { weir "qqqqqq" })
  end)

  it("tells programs what went wrong as JSON", function()
    for line, expected in pairs {
      ["get --json memry a"] = { exit = 3, error = "memry" },
      ["get --json memory"] = { exit = 2, error = "missing argument 'key'" },
      ["head --json redis://127.0.0.1:1 a"] = { exit = 3, error = "refused",
        code = "unavailable", store = "redis 127.0.0.1:1" },
      ["ls --json redis://127.0.0.1:1"] = { exit = 3, error = "refused",
        code = "unavailable", store = "redis 127.0.0.1:1" },
    } do
      local code, out, err = weir(line)
      local object = cjson.decode(out)
      assert.matches(expected.error, object.error)
      assert.matches(expected.error, err)
      expected.error = object.error
      assert.same(expected, object)
      assert.equal(object.exit, code)
    end
  end)

  it("runs without arguments into a usage error", function()
    local code, _, err = weir ""
    assert.equal(2, code)
    assert.matches("weir %-%-help", err)
  end)

  it("gives back every byte it was given on stdin", function()
    assert.equal(0, (weir("set " .. store .. "key", ALL_BYTES)))
    local code, out, err = weir("get " .. store .. "key")
    assert.same({ 0, ALL_BYTES, "" }, { code, out, err })
  end)

  it("takes values from a file and from arguments", function()
    shell.write(folder .. "/value", ALL_BYTES)
    assert.equal(0, (weir("set " .. store .. "file -f " .. folder .. "/value")))
    assert.equal(0, (weir("set " .. store .. "a 1 b 2")))
    local code, out = weir("get " .. store .. "b file a")
    assert.same({ 0, "2" .. ALL_BYTES .. "1" }, { code, out })
  end)

  it("stores and returns the empty value", function()
    assert.equal(0, (weir("set " .. store .. "empty ''")))
    assert.same({ 0, "", "" }, { weir("get " .. store .. "empty") })
  end)

  it("refuses a key without a value, an empty key, and a file that is not there",
    function()
      assert.equal(2, (weir("set " .. store .. "a 1 b")))
      assert.equal(2, (weir("get " .. store .. "''")))
    assert.matches("missing argument 'key'", select(3, weir("set " .. store)))
      local code, _, err = weir("set " .. store .. "a -f " .. folder .. "/none")
      assert.equal(3, code)
      assert.matches("none", err)
    end)

  it("exits 1 for a key that is not there and writes the others", function()
    weir("set " .. store .. "a 1")
    local code, out, err = weir("get " .. store .. "a b")
    assert.same({ 1, "1" }, { code, out })
    assert.matches("b: no such key", err)
    assert.equal(1, (weir("rm " .. store .. "b")))
    assert.equal(1, (weir("stat " .. store .. "b")))
  end)

  it("exits 3 for an error and names the store", function()
    local code, _, err = weir "get 'fault://?target=null&status=failed&rate=1' a"
    assert.equal(3, code)
    assert.matches("^weir: a: fault", err)
  end)

  it("lets no control character reach the terminal but in values", function()
    for _, line in ipairs {
      "get $(E) a", "du $(E)", "get memory a --$(E)", "run $(E)",
    } do
      local code, _, err = weir((line:gsub("E", "printf 'm\\033[31m\\302\\233'")))
      assert.is_true(code >= 2)
      assert.is_nil(err:find "[%z\1-\9\11-\31\127\155]")
    end
    weir("set " .. store .. "\"$(printf 'a\\302\\233b')\" v")
    for _, line in ipairs { "ls STORE", "ls -l STORE", "stat STORE KEY" } do
      local _, out = weir((line:gsub("STORE", store)
        :gsub("KEY", "\"$(printf 'a\\302\\233b')\"")))
      assert.matches("a\\194\\155b\n", out, 1, true)
    end
  end)

  it("deletes", function()
    weir("set " .. store .. "a 1")
    assert.equal(0, (weir("rm " .. store .. "a")))
    assert.equal(1, (weir("get " .. store .. "a")))
  end)

  it("lists keys by prefix, escaped, and to xargs", function()
    weir("set " .. store .. "user/1 x user/2 y other z")
    local _, out = weir("ls " .. store .. "user/ | sort")
    assert.equal("user/1\nuser/2\n", out)
    weir("set " .. store .. "\"$(printf 'new\\nline')\" v")
    _, out = weir("ls " .. store .. "new")
    assert.equal("new\\010line\n", out)
    _, out = weir("ls -0 " .. store .. "new")
    assert.equal("new\nline\0", out)
    _, out = weir("ls -n 2 " .. store)
    assert.equal(2, select(2, out:gsub("\n", "")))
  end)

  it("shows size and time to live", function()
    weir("set --ttl 1h " .. store .. "a 12345")
    local code, out = weir("stat --json " .. store .. "a")
    local object = cjson.decode(out)
    assert.equal(0, code)
    assert.equal(5, object.size)
    assert.is_true(object.ttl > 3500 and object.ttl <= 3600)
    out = select(2, weir("ls -l " .. store))
    assert.matches("5 B +60%.0 min  a", out)
  end)

  it("writes JSON that carries any bytes", function()
    weir("set " .. store .. "a", "\255\0")
    local code, out = weir("get --json " .. store .. "a b")
    local first, second = out:match "^(.-)\n(.-)\n$"
    assert.equal(1, code)
    assert.same({ key = "a", status = "ok", size = 2, value_hex = "ff00" },
      cjson.decode(first))
    assert.same({ key = "b", status = "miss" }, cjson.decode(second))
  end)

  it("works on a policy file", function()
    shell.write(folder .. "/kv.lua", ("return tier { memory {}, fs { path = %q } }")
      :format(folder .. "/store"))
    assert.equal(0, (weir("set " .. folder .. "/kv.lua a 1")))
    local code, out = weir("get " .. store .. "a")
    assert.same({ 0, "1" }, { code, out })
    out = select(2, weir("stat " .. folder .. "/kv.lua a"))
    assert.equal("size  ttl  key  held by\n 1 B    -  a    [2].fs\n", out)
    out = select(2, weir("stat --json " .. folder .. "/kv.lua a b"))
    assert.same({ "[2].fs" }, cjson.decode(out:match "^[^\n]+").held_by)
  end)

  it("says where a policy file is wrong", function()
    shell.write(folder .. "/kv.lua", "return teir { memory {} }")
    local code, _, err = weir("get " .. folder .. "/kv.lua a")
    assert.equal(3, code)
    assert.matches("kv%.lua:1", err)
    assert.matches("tier", err)
  end)

  it("takes a connector and a path, as weir.open does", function()
    shell.write(folder .. "/kv.lua", "return fs { path = '" .. folder .. "/values' }")
    assert.same({ 0, "", "" }, { weir("set lua:" .. folder .. "/kv.lua a 1") })
    assert.same({ 0, "1", "" }, { weir("get fs:" .. folder .. "/values a") })
    local _, out = weir("repl fs:" .. folder .. "/values", "disk:get 'a'\n")
    assert.equal('"1"\n', out)
  end)

  it("makes no place for a store that it only reads", function()
    for _, line in ipairs {
      "get STORE a", "ls STORE", "stat STORE a", "rm STORE a", "du STORE",
      "head STORE a", "repl --read-only STORE", "diff memory STORE", "cp STORE memory",
    } do
      local code, _, err = weir(line:gsub("STORE", store))
      assert.equal(3, code, line)
      assert.matches(": cannot open [^\n]*/store: No such file", err)
      assert.equal(1, (shell.run("test -e " .. store)))
    end
    for _, line in ipairs { "get fs:STORE a", "ls 'fs:STORE?prod=true'" } do
      local code, _, err = weir(line:gsub("STORE", folder .. "/store"))
      assert.equal(3, code, line)
      assert.matches(": cannot open [^\n]*/store: No such file", err)
    end
    assert.equal(0, (weir("ls 'fs://" .. folder .. "/store?create=yes'")))
    assert.equal(0, (weir("cp memory fs://" .. folder .. "/other")))
    assert.equal(0, (weir("repl fs://" .. folder .. "/third")))
  end)

  it("fails when there is no memory for a value #unsanitized", function()
    local code, out, err = shell.run(("sh -c 'ulimit -v 1000000; "
      .. "exec %s set %s a --json </dev/zero'"):format(WEIR, store))
    assert.equal(3, code)
    assert.equal("not enough memory", cjson.decode(out).error)
    assert.equal("weir set: not enough memory\n", err)
  end)

  it("says so when its output was cut, or has nowhere to go", function()
    weir("set " .. store .. "a", ("x"):rep(2 ^ 20))
    weir("set " .. store .. "b 1")
    for _, line in ipairs {
      "get STORE a", "get STORE b", "ls STORE", "ls -l STORE", "stat STORE a",
      "du STORE", "head STORE a", "hex STORE a", "tree STORE", "watch STORE 1 -n 1",
      "connectors", "completion bash",
    } do
      local code, _, err = weir(line:gsub("STORE", store) .. " >/dev/full")
      local said = ("weir %s: cannot write the output\n"):format(line:match "%l+")
      assert.same({ 3, said }, { code, err })
    end
    for _, line in ipairs { "--help", "ls --help", "--version" } do
      local code, _, err = weir(line .. " >/dev/full")
      assert.same({ 3, "weir: cannot write the output\n" }, { code, err })
    end
    local code, _, err = weir("get " .. store .. "b >&-")
    assert.same({ 3, "weir get: cannot write the output\n" }, { code, err })
  end)

  it("stops at the first line that cannot be written", function()
    local count = "'n = (n or 0) + 1 return n' "
    for _, line in ipairs { "watch memory " .. count .. "-e 1ms", "repl" } do
      local code, _, err = shell.run(WEIR .. line .. " >/dev/full",
        "while true do print 'x' end\n", 10)
      assert.equal(3, code)
      assert.matches("^weir %l+: cannot write the output\n$", err)
    end
  end)

  it("reads nothing from a stdin that is closed", function()
    local code, _, err = weir "set memory a <&-"
    assert.same({ 3, "weir set: cannot read stdin: Bad file descriptor\n" },
      { code, err })
    code, _, err = weir "set memory a </tmp"
    assert.same({ 3, "weir set: cannot read stdin: Is a directory\n" }, { code, err })
    assert.same({ 0, "", "" }, { weir "repl <&-" })
  end)

  it("takes a key that begins with a dash after --, and says so", function()
    for _, line in ipairs { "get memory -5", "set memory k -v", "rm memory -x-y" } do
      local code, _, err = weir(line)
      assert.equal(2, code)
      assert.matches("\nA key or value that begins with - comes after --\n", err, 1,
        true)
    end
    assert.equal(0, (weir("set " .. store .. "-- -5 -v")))
    assert.equal("-v", select(2, weir("get " .. store .. "-- -5")))
    assert.is_nil(select(3, weir "get memory a --jsn"):find("comes after", 1, true))
  end)

  it("sets the value - from stdin, once", function()
    local function set(words, stdin)
      return shell.run(WEIR .. "set " .. store .. words, stdin)
    end
    assert.same({ 0, "", "" }, { set("dash -", "piped\0\n") })
    assert.equal("piped\0\n", select(2, weir("get " .. store .. "dash")))
    assert.same({ 0, "", "" }, { set("one 1 dash - two 2", "again") })
    assert.equal("1again2", select(2, weir("get " .. store .. "one dash two")))
    assert.same({ 0, "", "" }, { set("dash", "-") })
    assert.equal("-", select(2, weir("get " .. store .. "dash")))
    local code, _, err = set("one - two -", "x")
    assert.same({ 2, "weir set: stdin is the value of one key, - stands for two\n" },
      { code, err })
    assert.matches("%- is stdin", (select(2, weir "set --help")))
  end)

  it("says that it waits for a value from a terminal", function()
    local terminal = Tmux.start(WEIR .. "set " .. store .. "typed")
    terminal:wait "weir set: type the value, Ctrl%-D ends it"
    terminal:enter "abc"
    terminal:key "C-d"
    terminal:wait "exit code: 0"
    terminal:close()
    assert.equal("abc\n", select(2, weir("get " .. store .. "typed")))
  end)

  it("ends by Ctrl-C as other programs do", function()
    shell.write(folder .. "/kv.lua", "return memory {} :delay { 100 }")
    for _, line in ipairs { "get FILE a", "lat FILE", "watch FILE 1" } do
      assert.same({ 130, "", "" }, { shell.run("timeout --preserve-status -s INT 1 "
        .. WEIR .. line:gsub("FILE", folder .. "/kv.lua") .. " >/dev/null") })
    end
  end)

  it("ends a benchmark's server by Ctrl-C, too", function()
    local _, out, err = shell.run(([[
      TMPDIR=%s setsid %s bench redis >%s/rows & p=$!
      while [ ! -s %s/rows ]; do sleep 0.1; done
      kill -INT -$p; wait $p; echo $?]]):format(folder, WEIR, folder, folder))
    assert.same({ "130\n", "weir bench: interrupted\n" }, { out, err })
    assert.same({ 0, "", "" }, { shell.run("ls " .. folder .. " | grep tmp; true") })
  end)

  it("refuses a time of nothing", function()
    for _, line in ipairs {
      "get memory a --timeout 0", "set memory a 1 --ttl 0", "du memory --timeout 0s",
    } do
      local code, _, err = weir(line)
      assert.equal(2, code)
      assert.matches("a time is over 0", err)
    end
  end)

  it("ends quietly when the reader of its output has gone", function()
    local code, _, err = weir "connectors | true"
    assert.same({ 0, "" }, { code, err })
  end)
end)


describe("weir run", function()
  local folder

  before_each(function() folder = shell.folder() end)
  after_each(function() shell.remove(folder) end)

  local function run(text, arguments)
    shell.write(folder .. "/script.lua", text)
    return weir("run " .. folder .. "/script.lua " .. (arguments or ""))
  end

  it("runs a file inside the host, with weir in scope", function()
    local code, out = run [[
      local store = weir.memory {}
      assert(store:set("greeting", "hello"))
      print(store:get "greeting")
    ]]
    assert.same({ 0, "hello\n" }, { code, out })
  end)

  it("hands over all arguments, options too", function()
    local _, out = run("print(arg[0]:match '[^/]+$', arg[1], arg[2], ...)",
      "--help '-x y'")
    assert.equal("script.lua\t--help\t-x y\t--help\t-x y\n", out)
  end)

  it("exits with the number that the file returns", function()
    assert.equal(7, (run "return 7"))
    assert.equal(5, (run "os.exit(5)"))
  end)

  it("exits 3 with the place in the source when the file fails", function()
    local code, _, err = run "\nerror 'no good'"
    assert.equal(3, code)
    assert.matches("script%.lua:2: no good", err)
    code, _, err = run "x ="
    assert.equal(3, code)
    assert.matches("script%.lua:1", err)
  end)

  it("says what to do where C takes no Value", function()
    for _, call in ipairs { "io.write(v)", "table.concat { v }",
      "require('cjson').decode(v)", "('x'):rep(v)" } do
      local code, _, err = run("local s = weir.memory {} s:set('k', '5')\n"
        .. "local v = s:get 'k'; " .. call)
      assert.equal(3, code)
      assert.matches("use tostring%(v%), or store:get_string%(key%)", err)
    end
  end)

  it("says what a policy file is when it is given one", function()
    local _, _, err = run "return tier { memory {}, memory {} }"
    assert.matches("call global 'memory' (a nil value); write weir.memory, or open the "
      .. "file as a policy: weir repl FILE\n", err, 1, true)
    _, _, err = run "nothing {}"
    assert.matches("call global 'nothing' (a nil value)\n", err, 1, true)
  end)

  it("shows the way through the script to where it failed, and nothing else", function()
    local _, _, err = run [[
local store = weir.policy { name = "mine", run = function(self, req)
  return self.nothing.here
end }
local function ask()
  local value = store:get "k"
  return value
end
local _ = ask()]]
    local frames = err:gsub("[^\n\t]*script%.lua", "SCRIPT")
    assert.equal("SCRIPT:2: attempt to index field 'nothing' (a nil value)\n"
      .. "stack traceback:\n\tSCRIPT:2: in function 'custom'\n"
      .. "\tSCRIPT:5: in function 'ask'\n\tSCRIPT:8: in main chunk\n",
      (frames:gsub("^weir run: ", "")))
    _, _, err = run [[
local function work()
  weir.memory {}:get(1)
end
weir.spawn(function() work() end)]]
    assert.matches("script%.lua:2: a key is a string[^\n]*\nstack traceback:\n"
      .. "\t[^\n]*script%.lua:2: in function 'work'\n"
      .. "\t[^\n]*script%.lua:4: in function <[^\n]*>\n$", err)
  end)

  it("says that the stack overflowed, and shows the innermost frames", function()
    local frame = "\n\t[^\n]*script.lua:1: in function 'deep'"
    for _, call in ipairs { "deep()", "return 1 + deep()",
      "local a, b, c = 1, 2, 3; deep(); return a, b, c", "print(deep(1, 2, 3))" } do
      local code, _, err = run("local function deep() " .. call .. " end\ndeep()")
      assert.equal(3, code)
      -- LuaJIT may have too little room left for more than this.
      if err ~= "weir run: stack overflow, or an error in a handler of errors\n" then
        assert.matches("^weir run: [^\n]*script.lua:1: stack overflow\nstack traceback:"
          .. frame:rep(20) .. "\n\t...\n$", err)
      end
    end
  end)

  it("names the line of an error that is no message", function()
    for what, kind in pairs { ["{}"] = "table", ["{ code = 1 }"] = "table",
      [""] = "nil", ["false"] = "boolean" } do
      local code, _, err = run("local a = 1\nerror(" .. what .. ")")
      local frames = err:gsub("[^\n\t]*script%.lua", "SCRIPT")
      assert.same({ 3, ("weir run: an error that is a %s, not a message\nstack "
        .. "traceback:\n\tSCRIPT:2: in main chunk\n"):format(kind) }, { code, frames })
    end
  end)

  it("names a file that is not there", function()
    local code, _, err = weir "run /nowhere.lua"
    assert.equal(3, code)
    assert.matches("/nowhere%.lua", err)
  end)

  it("reads the file from stdin", function()
    local code, out = weir("run - a", "print(...)")
    assert.same({ 0, "a\n" }, { code, out })
  end)
end)


describe("a negative number", function()
  it("is refused by the option before it", function()
    for line, error in pairs {
      ["ls memory:// --limit -1"] = "--limit: '-1' is no whole number over 0",
      ["get memory:// --timeout -.5 k"] = "--timeout: '-.5' is no time",
    } do
      local code, _, err = weir(line)
      assert.equal(2, code)
      assert.matches(error, err, 1, true)
    end
  end)

  it("is left alone as an argument of a program, and as a key", function()
    local path = shell.folder() .. "/args.lua"
    shell.write(path, "print(...)")
    local _, out = weir(("run %s --depth -1"):format(path))
    assert.equal("--depth\t-1\n", out)
    assert.equal(0, (weir "set memory:// -- --x -1"))
  end)
end)


describe("weir words", function()
  it("lists every word of policy files with a sentence", function()
    local code, out = weir "words"
    assert.equal(0, code)
    for _, name in ipairs { "fs", "tier", "retry", "fail", "policy", "hits" } do
      assert.matches("\n  " .. name .. " +%a", out)
    end
  end)

  it("shows what .help shows of a word, a verb and an option", function()
    local list = { "tier", "below", "set", "promote", "fs", "limit", "open" }
    for _, word in ipairs(list) do
      local code, out = weir("words " .. word)
      local _, session = shell.run(WEIR .. "repl", ".help " .. word)
      assert.same({ 0, session }, { code, out })
    end
  end)

  it("says what each value of an option does", function()
    local _, out = weir "words tier"
    assert.matches("write +through +%l.-%(through|around|back {...}%)\n +through: %l",
      out)
    assert.matches("\n +around: %l", out)
  end)

  it("tells programs the same", function()
    local _, out = weir "words --json"
    local words = {}
    for line in out:gmatch "[^\n]+" do
      local about = cjson.decode(line)
      words[about.name .. " " .. about.kind] = about.help
    end
    assert.is_string(words["fs connector"])
    assert.is_string(words["retry one"])
  end)

  it("names the nearest for one that is not there", function()
    local code, _, err = weir "words teir"
    assert.equal(3, code)
    assert.matches('did you mean "tier"', err)
  end)
end)


describe("weir connectors", function()
  it("lists every connector that was built", function()
    local _, out = weir "connectors"
    for _, name in ipairs { "fault", "fs", "memory", "null" } do
      assert.matches("\n?" .. name .. " +%S", out)
    end
  end)

  it("shows the options of one with defaults, ranges and choices", function()
    local code, out = weir "connectors memory"
    assert.equal(0, code)
    assert.matches("capacity +64MiB +%l.-%(size, from 64 KiB%)", out)
    assert.matches("eviction +s3fifo +%l.-%(s3fifo|lru|sieve|fifo%)", out)
    out = select(2, weir "connectors --common")
    assert.matches("connect_timeout +5s +%l.-%(duration, 1 ms to 1 h%)", out)
  end)

  it("tells programs the same", function()
    local _, out = weir "connectors --json memory"
    local info = cjson.decode(out)
    assert.equal("memory", info.name)
    local options = {}
    for _, option in ipairs(info.options) do options[option.name] = option end
    assert.same({ "s3fifo", "lru", "sieve", "fifo" }, options.eviction.choices)
  end)

  it("goes on when some cannot be used, and says why", function()
    local folder = shell.folder()
    shell.run(("ln -s nowhere.so %s/dangling.so"):format(folder))
    local before = ("WEIR_CONNECTORS=%s/spec/connectors:%s %s"):format(BUILD,
      folder, WEIR)
    local code, out = shell.run(before .. "connectors")
    assert.equal(0, code)
    assert.matches("memory +values", out)
    assert.matches("strange +cannot be used: .-strange.so was built for.- ABI 77",
      out)
    assert.matches("dangling +cannot be used: .-dangling.so: cannot open", out)
    code, out = shell.run(before .. "connectors --json")
    assert.equal(0, code)
    assert.matches('"error":".-ABI 77.-"name":"strange"', out)
    for _, words in ipairs { "words", "manual", "completion bash", "repl" } do
      local _, _, err = shell.run(before .. words, ".quit\n")
      assert.equal("", err)
    end
    shell.remove(folder)
  end)

  it("names the nearest for one that is not there", function()
    local code, _, err = weir "connectors memroy"
    assert.equal(3, code)
    assert.matches("memory", err)
  end)
end)
