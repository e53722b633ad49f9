-- What a Tab offers, without a terminal.
local Complete = require "weir.app.repl.complete"
local Session = require "weir.app.repl.session"
local shell = require "shell"
local weir = require "weir"


describe("a Tab", function()
  local session

  before_each(function()
    session = Session.new { input = { print = function() end }, interactive = false }
    session:open "memory"
    session:open("memory", "other")
    session.stores.memory:set_many({ "user:1", "user:2", 'q"\n' }, { "1", "2", "3" })
    session.stores.other:set("else", "1")
  end)

  after_each(function() session:finish() end)

  -- The line with its last word replaced by each candidate.
  local function offers(line, ...)
    local candidates, start = Complete.run(session, line)
    local before = line:sub(1, start - 1)
    for i, text in ipairs(candidates) do candidates[i] = before .. text end
    assert.same({ ... }, candidates)
  end

  it("completes stores, variables, words, Lua", function()
    session.env.my_number = 1
    offers("memo", "memory")
    offers("x = oth", "x = other")
    offers("my_n", "my_number")
    offers("failo", "failover")
    offers("getmet", "getmetatable")
    offers("unti", "until")
  end)

  it("completes verbs and words after a colon", function()
    offers("memory:delete_", "memory:delete_many")
    offers("f(memory:coal", "f(memory:coalesce")
  end)

  it("completes fields after a dot", function()
    session.env.t = { alpha = { beta = 1 } }
    offers("t.al", "t.alpha")
    offers("1 + t.alpha.b", "1 + t.alpha.beta")
    offers("t.nothing.x")
    offers("weir.mirr", "weir.mirror")
  end)

  it("completes the options of a connector or a word within its braces", function()
    offers("memory { evi", "memory { eviction = ")
    offers('x = fs { path = "/tmp", fanou', 'x = fs { path = "/tmp", fanout = ')
    offers("tier { memory, promote", "tier { memory, promote = ",
      "tier { memory, promote_bytes = ", "tier { memory, promote_queue = ")
    offers("memory:retry { 2, bas", "memory:retry { 2, base = ")
  end)

  it("completes the options of a verb", function()
    offers('memory:get("a", { ti', 'memory:get("a", { timeout = ')
    offers('memory:set_many({ "a" }, { "b" }, { tt',
      'memory:set_many({ "a" }, { "b" }, { ttl = ')
    offers("memory:scan { pre", "memory:scan { prefix = ")
  end)

  it("shows nothing of what a store is made of", function()
    offers("memory.")
    offers("memory.in")
  end)

  it("completes keys that need quotes", function()
    session.stores.memory:set_many({ "it's", "white space" }, { "1", "2" })
    offers("memory:get 'it", [[memory:get 'it\'s']])
    offers('memory:get "it', [[memory:get "it's"]])
    offers(".head memory white", '.head memory "white space"')
    offers(".head it", [[.head "it's"]])
  end)

  it("completes keys that are there, within the quotes of a verb", function()
    offers('memory:get "us', 'memory:get "user:1', 'memory:get "user:2')
    offers("memory:get 'user:2", "memory:get 'user:2'")
    offers('memory:get_many { "user:1", "q', [[memory:get_many { "user:1", "q\"\n"]])
    offers('other:get("', 'other:get("else"')
    offers('print("us')
  end)

  it("asks a store that fails or waits no longer than a moment", function()
    session.env.slow = weir.memory {} :delay { 30 }
    local begun = weir.now()
    offers 'slow:get "a'
    assert.is_true(weir.now() - begun < 5)
  end)

  it("completes commands and their arguments", function()
    offers(".wa", ".watch")
    offers(".head us", ".head user:1", ".head user:2")
    offers(".head oth", ".head other")
    offers(".head other el", ".head other else")
    offers('.head "q', [[.head "q\"\n"]])
    offers(".explain get user:2", ".explain get user:2")
    offers(".format j", ".format json")
    offers(".use o", ".use other")
    offers(".diff mem", ".diff memory")
    offers(".diff memory other user:1", ".diff memory other user:1")
    offers(".cp memory other --d", ".cp memory other --dry")
    offers(".help coal", ".help coalesce")
    offers(".nonsense x")
  end)

  it("completes paths", function()
    local folder = shell.folder()
    shell.write(folder .. "/kv[1].lua", "")
    offers(".load " .. folder .. "/kv", ".load " .. folder .. "/kv[1].lua")
    shell.remove(folder)
  end)
end)
