-- The session at a terminal: editing, history, completion, Ctrl-C, what prints while
-- one types, resizing, pasting.
local shell = require "shell"
local Tmux = require "tmux"

local WEIR = (os.getenv "WEIR_BUILD" or "build") .. "/weir "


describe("the session at a terminal #unsanitized", function()
  local folder, term

  local function start(arguments, no_color)
    term = Tmux.start(WEIR .. "repl " .. (arguments or ""), {
      XDG_STATE_HOME = folder .. "/state", NO_COLOR = no_color or "1",
    })
    term:wait ">$"
  end

  before_each(function() folder = shell.folder() end)

  after_each(function()
    term:close()
    shell.remove(folder)
  end)

  it("says what to type when nothing was given, and ends", function()
    start()
    local screen = term:screen()
    assert.matches("^A store in memory .-\n.-\n.-\nmemory>$", screen)
    term:enter 'memory:set("greeting", "hello")'
    term:wait "\ntrue\nmemory>$"
    term:enter 'memory:get "greeting"'
    term:wait '\n"hello"\nmemory>$'
    term:enter ".quit"
    term:wait "exit code: 0"
  end)

  it("ends with Ctrl-D on an empty line only", function()
    start()
    term:type "x"
    term:key("C-d", "C-h")
    term:key "C-d"
    term:wait "exit code: 0"
  end)

  it("edits a line within, in UTF-8 of one and two columns", function()
    start()
    term:type 'x = "größe 日本"'
    term:key("Left", "Left", "Left")
    term:type "本"
    term:key("C-a", "C-k")
    term:key "C-y"
    term:key "Enter"
    term:wait "memory>$"
    term:enter "x"
    term:wait '\n"größe 本日本"\n'
  end)

  it("asks for more lines until a statement is whole", function()
    start()
    term:enter "for i = 1, 2 do"
    term:wait "\n +%.%.$"
    term:enter "print(i * 21)"
    term:enter "end"
    term:wait "\n21\n42\nmemory>$"
  end)

  it("keeps the history across sessions, without secrets", function()
    start()
    term:enter "1 + 41"
    term:wait "\n42\n"
    term:enter 'x = { password = "hush" }'
    term:enter 'y = "redis://u:hush@h/"'
    term:enter "z = { password ="
    term:enter '"hush" }'
    term:enter "if password =="
    term:key "C-c"
    term:key "C-d"
    term:wait "exit code: 0"
    local kept = io.open(folder .. "/state/weir/history"):read "*a"
    assert.equal("1 + 41\n", kept)
    term:close()
    start()
    term:key "Up"
    term:wait "memory> 1 %+ 41$"
    term:key "Enter"
    term:wait "\n42\nmemory>$"
  end)

  it("finds an earlier line backwards", function()
    start()
    term:enter "40 + 2"
    term:enter "1 + 1"
    term:wait "\n2\n"
    term:key "C-r"
    term:type "40"
    term:wait "bck:40"
    term:key "Enter"
    term:wait "\n42\nmemory>$"
  end)

  it("leaves a search, and the line, with Ctrl-C", function()
    start()
    term:enter "40 + 2"
    term:wait "\n42\n"
    term:key "C-r"
    term:wait "bck:"
    term:type "40"
    term:wait "bck:40"
    term:key "C-c"
    term:wait "\nmemory>$"
    term:enter "1 + 1"
    term:wait "\n2\nmemory>$"
  end)

  it("completes names, verbs, options, commands", function()
    start()
    local function completes(typed, completed)
      term:type(typed)
      term:key "Tab"
      term:wait("memory> " .. completed .. "$")
      term:key "C-c"
      term:wait "memory>$"
    end
    completes("mem", "memory")
    completes("memory:exi", "memory:exists")
    completes("memory:ret", "memory:retry")
    completes("fs { sy", "fs { sync =")
    completes("retry { 1, jit", "retry { 1, jitter =")
    completes(".expl", ".explain")
    completes(".explain ge", ".explain get")
    completes(".help coal", ".help coalesce")
    completes("string.for", "string.format")
  end)

  it("completes keys that are there, and lists them when they differ", function()
    start()
    term:enter 'memory:set_many({ "user:1", "user:2", "a b" }, { "1", "2", "3" })'
    term:wait "3  ok"
    term:type 'memory:get "us'
    term:key "Tab"
    term:wait 'memory> memory:get "user:$'
    term:key "Tab"
    term:wait '\nuser:1  user:2\nmemory> memory:get "user:$'
    term:type "2"
    term:key("Tab", "Enter")
    term:wait '"user:2"\n"2"\nmemory>$'
    term:type ".head \"a"
    term:key("Tab", "Enter")
    term:wait '.head "a b"\n"3"\n'
  end)

  it("prints what happens in the background above the line that is typed", function()
    start()
    term:enter "go = false"
    term:enter("spawn(function() while not go do weir.sleep(0.05) end "
      .. "print 'now' return 7 end)")
    term:wait "memory>$"
    term:type "go = true"
    term:enter ""
    term:type "half a"
    term:wait "\nnow\n%[1%] 7\nmemory> half a$"
    term:type "x"
    term:wait "memory> half ax$"
  end)

  it("evaluates a line that ends in & in the background", function()
    start()
    term:enter "weir.sleep(0.2) or 42 &"
    term:wait "\n%[1%] 42\nmemory>$"
  end)

  it("cancels a hanging get with Ctrl-C, and lives on", function()
    local path = folder .. "/hang.lua"
    shell.write(path, "return memory {} :delay { 1000 }")
    start(path)
    term:enter 'print "asking" return hang:get "a"'
    term:wait "\nasking$"
    term:key "C-c"
    term:wait "cancelled\nhang>$"
    term:enter "1 + 1"
    term:wait "\n2\nhang>$"
  end)

  it("takes a bench's keys away that Ctrl-C cancels", function()
    local path = folder .. "/slow.lua"
    shell.write(path, "return memory {} :delay { 0.01 }")
    start(path)
    term:enter "spawn(function() weir.sleep(0.5) print(slow:scan {}() ~= nil) end)"
    term:enter ".bench 100000 16"
    term:wait "\ntrue\n%[1%] nil$"
    term:key "C-c"
    term:wait "cancelled\nslow>$"
    term:enter "for i = 1, 99 do if slow:scan {}() then weir.sleep(0.1) end end"
    term:enter ".ls"
    term:wait "no keys\nslow>$"
  end)

  it("cancels a computation with Ctrl-C", function()
    start()
    term:enter "print 'busy' while true do end"
    term:wait "\nbusy$"
    term:key "C-c"
    term:wait "cancelled\nmemory>$"
  end)

  it("drops a line, and a statement begun, with Ctrl-C", function()
    start()
    term:enter "for i = 1, 2 do"
    term:wait "%.%.$"
    term:type "nonsense"
    term:key "C-c"
    term:wait "memory>$"
    term:enter "1 + 1"
    term:wait "\n2\n"
  end)

  it("redraws the line when the window changes", function()
    start()
    term:type(("a"):rep(60) .. "END")
    term:wait "END$"
    term:resize(40, 20)
    term:wait("memory> " .. ("a"):rep(32) .. "\n" .. ("a"):rep(28) .. "END$")
    term:key "C-a"
    term:type "b"
    term:wait("memory> b" .. ("a"):rep(31) .. "\n" .. ("a"):rep(29) .. "END$")
    term:key("C-h", "C-e")
    term:resize(100, 30)
    term:wait("memory> " .. ("a"):rep(60) .. "END$")
    term:type "!"
    term:wait "END!$"
  end)

  it("takes 100 KiB pasted on one line, with a tab", function()
    start()
    term:paste("x = '" .. ("y"):rep(100 * 1024) .. "\t'")
    term:key "Enter"
    term:wait "memory>$"
    term:enter "#x, x:sub(-3)"
    term:wait '\n102401\n"yy\\t"\n'
  end)

  it("keeps tabs and other control characters of a paste", function()
    start()
    term:paste "\t"
    term:paste "x = '\t\27[A|'"
    term:wait "memory> +x = ' +%^%[%[A|'$"
    term:key "Enter"
    term:enter "x"
    term:wait '\n"\\t\\027%[A|"\nmemory>$'
  end)

  it("takes Alt with a letter of more than one byte for no text", function()
    start()
    term:type "x = 1\27ä\27日"
    term:key "Enter"
    term:enter "x"
    term:wait "memory> x = 1\nmemory> x\n1\nmemory>$"
  end)

  it("prints above a line that ends at the margin, whatever is in it", function()
    for i, case in ipairs {
      { name = "größe日", text = ("a"):rep(30) }, -- one short of the margin of 40
      { name = "größe日", text = ("a"):rep(31), shown = ("a"):rep(31) .. "\n" },
      { name = "g", text = "\t" .. ("a"):rep(31), shown = " +" .. ("a"):rep(31) },
    } do
      start()
      term:resize(40, 20)
      term:enter(case.name .. " = weir.memory {}")
      term:enter(".use " .. case.name)
      term:enter(("spawn(function() for i = 1, 4 do while not io.open('%s/%d.' .. i) "
        .. "do weir.sleep(.01) end print('tick' .. i) end end)"):format(folder, i))
      term:wait("end%)\n" .. case.name .. ">$")
      term:paste(case.text)
      local line = (case.name .. "> " .. (case.shown or case.text)):gsub("\n$", "")
      term:wait(line .. "$")
      local shown = ""
      for tick = 1, 3 do
        shell.write(("%s/%d.%d"):format(folder, i, tick), "")
        shown = shown .. "\ntick" .. tick
        term:wait(shown .. "\n" .. line .. "$")
      end
      term:close()
    end
  end)

  it("keeps what is typed while a line is evaluated for the next one", function()
    start()
    term:enter "print 'busy' weir.sleep(1)"
    term:wait "\nbusy$"
    term:enter("#'" .. ("z"):rep(5000) .. "'")
    term:key "C-d"
    term:wait "\n5000\nmemory>\nexit code: 0$"
  end)

  it("takes pasted lines one by one", function()
    start()
    term:paste "a = 20\nb = 22\na + b\n"
    term:wait "\n42\nmemory>$"
  end)

  it("asks before it changes a store that is marked prod", function()
    start "'memory://?prod=true'"
    term:wait "memory %(prod%)>$"
    term:enter 'memory:set("a", "1")'
    term:wait("memory is marked prod: set 1 key, and what else this line changes%? "
      .. "%[y/N%]$")
    term:enter "n"
    term:wait "error: denied: .*nobody agreed"
    term:enter 'memory:set("a", "1")'
    term:wait "%[y/N%]$"
    term:enter "y"
    term:wait "\ntrue\nmemory %(prod%)>$"
  end)

  it("asks once for a whole command", function()
    local store = "fs://" .. folder .. "/store"
    shell.run(WEIR .. "run - " .. store, "local store = weir.open((...)) "
      .. "for i = 1, 600 do store:set('k' .. i, 'v') end store:close()")
    term = Tmux.start(WEIR .. "cp " .. store .. " 'memory://?prod=true'")
    term:wait("memory is marked prod: set 512 keys, and what else this command "
      .. "changes%? %[y/N%]$")
    term:enter "y"
    term:wait "copied 600 keys, 600 B\nexit code: 0"
  end)

  it("takes no answer that was pasted before the question", function()
    start "'memory://?prod=true'"
    term:paste "memory:set('a', '1')\ny = 1\n"
    term:wait "%[y/N%]$"
    term:enter "no"
    term:wait "nobody agreed to the change\nmemory %(prod%)>$"
  end)

  it("uses colours, unless NO_COLOR says no", function()
    start()
    term:enter "error 'pale'"
    term:wait "error: "
    assert.is_nil(term:screen { "-e" }:find "\27")
    term:close()
    start("", "")
    term:enter "error 'red'"
    term:wait "error: "
    assert.matches("\27%[31merror: .*red", term:screen { "-e" })
  end)

  it("prints keys without control characters, and the head of what is long", function()
    start()
    term:enter 'memory:set("a\\27[31mb", "1")'
    term:wait "\ntrue\n"
    term:enter "for k in memory:scan {} do print(k) end"
    term:wait "\na\\027%[31mb\nmemory>$"
    term:enter 'print(("y"):rep(2 ^ 20))'
    term:wait '\n"y+"%.%.%. %(1 MiB%)\nmemory>$'
  end)

  it("walks a large store with progress, stops at its limit and goes on", function()
    start()
    term:enter "for i = 1, 100100 do memory:set('k:' .. i, 'v') end"
    term:wait "do memory.-\nmemory>$"
    term:enter ".du"
    term:wait "100 k  in all\n.*stopped after 100 k keys; .more goes on\nmemory>$"
    term:enter ".more"
    term:wait "100 k  in all\nmemory>$"
  end)
end)
