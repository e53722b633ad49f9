-- The lines of earlier sessions.
local History = require "weir.app.repl.history"
local shell = require "shell"


describe("the history", function()
  local folder, getenv

  before_each(function()
    folder, getenv = shell.folder(), os.getenv
    os.getenv = function(name) -- luacheck: ignore
      return name == "XDG_STATE_HOME" and folder .. "/state" or getenv(name)
    end
  end)

  after_each(function()
    os.getenv = getenv -- luacheck: ignore
    shell.remove(folder)
  end)

  local function mode(path)
    local _, out = shell.run("stat -c %a " .. path)
    return out:match "%d+"
  end

  it("is its owner's alone", function()
    History.open():add "1"
    assert.equal("700", mode(folder .. "/state/weir"))
    assert.equal("600", mode(folder .. "/state/weir/history"))
  end)

  it("gathers what sessions side by side add", function()
    local a, b = History.open(), History.open()
    a:add "1"
    b:add "2"
    a:add "3"
    assert.same({ "1", "2", "3" }, History.open().lines)
  end)

  it("keeps no line with a secret", function()
    local history = History.open()
    for _, line in ipairs {
      'redis { password = "x" }', 'redis { ["password"]="x" }',
      '.open r redis://me:x@h/', 'r = weir.open("rediss://:x@h")',
      ".open r redis://:sec/ret@h", 'r = weir.open "redis://me:sec/ret@h"',
      ".open r REDIS://:x y@h", ".open r redis:/:x@h", ".open r redis//:x@h",
      ".open me:x@h", 'r = weir.open("me:x@h")', "redis://u:p@x/SECRET@h",
      "redis://h?password=a&SECRET=b", 'redis { PASSWORD = "x" }',
      'redis { pasword = "x" }', 'redis { passwd = "x" }', 'x = { ["pass"] = "x" }',
      "AUTH hunter2", "auth me hunter2", 'call("AUTH", "hunter2")',
      "config set requirepass x",
    } do
      assert.is_true(history:is_secret(line), line)
    end
    for _, line in ipairs {
      "redis://h:6379/0", "passwords = 1", 'x:get "a@b:c"', 'x:get "auth:1"',
      'x:get("user:ada@example.org")', ".open r redis://h:6379/0",
      ".head user:ada@example.org", "passes = 1",
      "while passed do x = 1 end", "author = 1", ".head user",
    } do
      assert.is_false(history:is_secret(line), line)
    end
  end)

  it("keeps no line of a statement with a secret", function()
    local history = History.open()
    history:add 'redis {\npassword =\n"geheim" }'
    history:add 'for i = 1, 2 do\nprint(i)\nend'
    assert.same({ "for i = 1, 2 do", "print(i)", "end" }, History.open().lines)
  end)

  it("stays bounded, the newest lines kept", function()
    local history = History.open()
    for i = 1, 2500 do history:add(tostring(i)) end
    local lines = History.open().lines
    assert.same({ 1000, "1501", "2500" }, { #lines, lines[1], lines[1000] })
    assert.equal(1000, #History.open().lines)
    assert.equal("600", mode(folder .. "/state/weir/history"))
  end)

  it("does without a place to keep it", function()
    shell.write(folder .. "/state", "in the way")
    local history = History.open()
    history:add "1"
    assert.same({}, history.lines)
  end)
end)
