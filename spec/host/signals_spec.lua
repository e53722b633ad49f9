-- What a program under libev does when a signal comes.
local hung = require "hung"
local shell = require "shell"
local weir = require "weir"

local folder


-- Runs a program, sends it each signal when it has said "ready" once more, and returns
-- its exit code as a shell sees it, and what it wrote.
local function run(text, signals, how)
  shell.write(folder .. "/program.lua", text)
  local line = [[
    : >%s/out
    %s %s/program.lua >%s/out 2>&1 & pid=$!
    n=0
    for signal in %s; do
      n=$((n + 1))
      until test "$(grep -c ready %s/out)" -ge $n; do sleep 0.02; done
      kill -$signal $pid
    done
    wait $pid; code=$?; cat %s/out; exit $code
  ]]
  return shell.run(line:format(folder, how or "build/weir run", folder, folder, signals,
    folder, folder))
end


local READY = [[
  local function ready() print "ready" io.stdout:flush() end
]]


describe("a program that gets a signal #unsanitized", function()
  setup(function() folder = shell.folder() end)
  teardown(function() shell.remove(folder) end)

  for name, code in pairs { TERM = 143, INT = 130 } do
    it(("ends by SIG%s with %d, its work undone and on_stop run"):format(name, code),
      function()
        local got, out = run(READY .. [[
          local disk = weir.fs { path = arg[0]:gsub("program.lua", "values") }
          weir.spawn(function() while true do disk:get "k" weir.sleep(0.001) end end)
          require("weir.host").on_stop(function() print "stopping" end)
          ready()
          weir.sleep(60)
          print "never"
        ]], name)
        assert.same({ code, "ready\nstopping\n" }, { got, out })
      end)
  end

  it("ends while a server hangs", function()
    local server = hung.listen()
    finally(function() server:close() end)
    local started = weir.now()
    local code = run(READY .. ([[
      local store = weir.open("redis://%s", { connect_timeout = "60s" })
      weir.spawn(function() store:get "k" end)
      weir.sleep(0.1)
      ready()
      store:get "k"
    ]]):format(server.address), "TERM")
    assert.equal(143, code)
    assert.is_true(weir.now() - started < 30)
  end)

  it("says what to do first, with all stores open", function()
    local code, out = run(READY .. [[
      local store = weir.memory { inline = false }
      weir.on_signal("TERM", function(name)
        weir.sleep(0.01)
        print(name, store:set("k", "v"))
      end)
      ready()
      weir.sleep(60)
    ]], "TERM")
    assert.same({ 143, "ready\nTERM\ttrue\n" }, { code, out })
  end)

  it("goes on when that returns true, as often as it does", function()
    local code, out = run(READY .. [[
      local n = 0
      weir.on_signal("SIGTERM", function()
        n = n + 1
        if n < 3 then ready() end
        return n < 3
      end)
      ready()
      weir.sleep(60)
    ]], "TERM TERM TERM")
    assert.same({ 143, ("ready\n"):rep(3) }, { code, out })
  end)

  it("may end by itself meanwhile", function()
    assert.equal(7, (run(READY .. [[
      local stop = false
      weir.on_signal("TERM", function() stop = true weir.sleep(60) end)
      ready()
      while not stop do weir.sleep(0.001) end
      return 7
    ]], "TERM")))
  end)

  it("ends at once by a second one", function()
    local started = weir.now()
    local code = run(READY .. [[
      weir.on_signal("TERM", function() ready() weir.sleep(60) end)
      ready()
      weir.sleep(60)
    ]], "TERM TERM")
    assert.equal(143, code)
    assert.is_true(weir.now() - started < 30)
  end)

  it("ends even if it never comes to its loop", function()
    assert.equal(143, (run(READY .. "ready() while true do end", "TERM")))
  end)

  it("fails with the error of what it does then", function()
    local code, out = run(READY .. [[
      weir.on_signal("TERM", function() error("no way out", 0) end)
      ready()
      weir.sleep(60)
    ]], "TERM")
    assert.equal(3, code)
    assert.matches("no way out", out)
  end)

  it("only hears of signals that end nothing", function()
    local code, out = run(READY .. [[
      weir.on_signal("USR1", function(name) print(name) ready() end)
      weir.on_signal("HUP", function(name) print(name) ready() end)
      ready()
      weir.sleep(60)
    ]], "USR1 HUP TERM")
    assert.same({ 143, "ready\nUSR1\nready\nHUP\nready\n" }, { code, out })
  end)

  it("shows its counts all the same with --stats", function()
    local code, out = run(READY .. [[
      local store = weir.memory { capacity = "1MiB" }
      store:set("k", "v")
      ready()
      weir.sleep(60)
    ]], "TERM", "build/weir run --stats")
    assert.equal(143, code)
    assert.matches("set", out)
  end)

  it("may be a program of its own that runs weir's loop", function()
    local code, out = run([[
      package.path = "./lua/?.lua;./lua/?/init.lua;" .. package.path
      local weir = require "weir"
      weir.run(function()
        weir.on_signal("TERM", function(name) print(name) end)
        io.write "ready\n"
        io.flush()
        weir.sleep(60)
      end)
      print "never"
    ]], "TERM", "luajit")
    assert.same({ 143, "ready\nTERM\n" }, { code, out })
  end)
end)


describe("weir.on_signal", function()
  it("says where it works, and which signals there are", function()
    local function fails(...)
      local good, why = pcall(weir.on_signal, ...)
      assert.is_false(good)
      return why
    end
    assert.matches("inside weir.run; the plain host", fails("TERM", print))
    assert.matches('no signal is called "TREM"; did you mean "TERM"%?',
      fails("TREM", print))
    assert.matches("takes a signal's name", fails(15, print))
    assert.matches("takes a function", fails("TERM"))
  end)
end)
