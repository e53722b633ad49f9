-- memory over a real redis-server that others write to: tier { coherent = true }.
local Ev = require "weir.host.ev"
local Host = require "weir.host"
local Plain = require "weir.host.plain"
local Server = require "redis_server"
local weir = require "weir"


-- Waits for a condition, at most 10 s.
local function eventually(condition)
  for _ = 1, 1000 do
    if condition() then return true end
    weir.sleep(0.01)
  end
  return false
end


describe("memory over redis", function()
  local server, tree, far

  -- coherent: the option of the tier.
  local function build(coherent, options)
    options = options or {}
    options.tracking, options.prefix, options.backoff = true, "app:", 0.01
    options.max_backoff = 0.05
    far = weir.open(server.url, options)
    tree = weir.tier { weir.memory {}, far, coherent = coherent }
  end

  local function sighted() return tree:tally().sight == 1 end

  -- Reads until the answer comes from memory.
  local function warm(key, value)
    return eventually(function()
      local reply = tree:get_many { key }
      return reply:string(1) == value and reply:level(1) == 1
    end)
  end

  local function others(line)
    local code, out = server:command(line)
    assert(code == 0, out)
    return out
  end

  before_each(function() server = Server.start() end)
  after_each(function()
    weir.run(function() tree:close { drop = true } end)
    server:close()
  end)

  it("follows what other clients set, delete and flush", function()
    build(true)
    weir.run(function()
      others "set app:k 1"
      assert.is_true(warm("k", "1"))
      for i = 2, 10 do
        others("set app:k " .. i)
        assert.is_true(eventually(function()
          return tree:get_string "k" == tostring(i)
        end))
        assert.is_true(warm("k", tostring(i)))
        assert.equal(tostring(i), tree:get_string "k")
      end
      others "del app:k"
      assert.is_true(eventually(function() return tree:get "k" == nil end))
      others "set app:k 1"
      assert.is_true(warm("k", "1"))
      others "flushall"
      assert.is_true(eventually(function() return tree:get "k" == nil end))
      assert.is_true(eventually(sighted))
      assert.is_true(tree:tally().invalidations >= 9)
      assert.is_true(tree:tally().sight_losses >= 1)
    end)
  end)

  it("keeps its own writes right, although they come back as changes", function()
    build(true)
    weir.run(function()
      for i = 1, 50 do
        assert(tree:set("k", tostring(i)))
        assert.equal(tostring(i), tree:get_string "k")
      end
      assert.is_true(warm("k", "50"))
    end)
  end)

  -- After the tracking connection is gone no old value is served from memory, although
  -- other connections work.
  it("serves nothing old when the tracking connection is killed", function()
    build(true)
    weir.run(function()
      for i = 1, 4 do
        others("set app:k " .. i)
        assert.is_true(warm("k", tostring(i)))
        server:command "client kill type normal"
        others "set app:k new"
        local losses = tree:tally().sight_losses
        assert.is_true(eventually(function()
          return tree:get_string "k" == "new"
        end), losses)
        for _ = 1, 5 do assert.equal("new", tree:get_string "k") end
      end
      assert.is_true(tree:tally().sight_losses >= 1)
    end)
  end)

  it("serves nothing from memory while the server is gone", function()
    build(true)
    weir.run(function()
      others "set app:k 1"
      assert.is_true(warm("k", "1"))
      server:command "shutdown nosave"
      assert.is_true(eventually(function() return not sighted() end))
      local value, err = tree:get "k"
      assert.is_nil(value)
      assert.equal("unavailable", err.code)
      require("shell").run(server.line)
      assert.is_true(eventually(function()
        return (server:command "set app:k 2") == 0
      end))
      assert.is_true(eventually(function() return tree:get_string "k" == "2" end))
      assert.is_true(warm("k", "2"))
      assert.is_true(tree:tally().sight_lost > 0)
    end)
  end)

  it("with \"stale\" serves its copies meanwhile, all of them marked", function()
    build "stale"
    weir.run(function()
      others "set app:k 1"
      assert.is_true(warm("k", "1"))
      server:command "shutdown nosave"
      assert.is_true(eventually(function() return not sighted() end))
      local reply = tree:get_many { "k" }
      assert.equal("1", reply:string(1))
      assert.is_true(reply.stale[1])
    end)
  end)

  it("notices a server that hangs within tracking_timeout", function()
    build(true, { tracking_timeout = 0.2, timeout = 5 })
    weir.run(function()
      others "set app:k 1"
      assert.is_true(warm("k", "1"))
      local pid = others("config get pidfile"):match "/[^%s]+"
      local code = require("shell").run("kill -STOP $(cat " .. pid .. ")")
      assert.equal(0, code)
      local noticed = eventually(function() return not sighted() end)
      require("shell").run("kill -CONT $(cat " .. pid .. ")")
      assert.is_true(noticed)
      assert.is_true(eventually(function() return tree:get_string "k" == "1" end))
    end)
  end)

  it("says once that the server cannot tell of changes", function()
    local said = {}
    server:close()
    server = Server.start "--rename-command HELLO ''"
    build(true)
    weir.run(function()
      local inside = require("weir.host").current()
      inside.warn = function(sentence) said[#said + 1] = sentence end
      others "set app:k 1"
      assert.is_true(eventually(function()
        assert.equal("1", tree:get_string "k")
        return #said > 0
      end))
      weir.sleep(0.3)
      assert.equal("1", tree:get_string "k")
      inside.warn = nil
    end)
    assert.equal(1, #said)
    assert.matches("tracking needs Redis 6 or later, and no proxy in between", said[1])
  end)

  it("goes on under another host", function()
    build(true)
    for i = 1, 3 do
      weir.run(function()
        others("set app:k " .. i)
        assert.is_true(warm("k", tostring(i)))
      end)
    end
  end)

  it("goes on under the host of a run, and under that before", function()
    build(true)
    local before = Plain.new()
    local outer = Host.use(before)
    others "set app:k 1"
    assert.is_true(warm("k", "1"))
    weir.run(function()
      others "set app:k 2"
      assert.is_true(warm("k", "2"))
      weir.run(function()
        others "set app:k 3"
        assert.is_true(warm("k", "3"))
      end)
      others "set app:k 4"
      assert.is_true(warm("k", "4"))
    end)
    others "set app:k 5"
    assert.is_true(warm("k", "5"))
    Host.use(outer)
    before.stop()
  end)

  -- Each of two hosts in turn has the events of the store, and both have had them.
  it("lets hosts end that take turns", function()
    build(true)
    local hosts, outer = { Ev.new(), Ev.new() }, Host.current()
    for _, host in ipairs(hosts) do
      Host.use(host)
      others "set app:k 1"
      assert.equal("1", far:get_string "k")
    end
    Host.use(outer)
    hosts[2].stop()
    hosts[1].stop()
    assert.is_false(sighted())
  end)
end)
