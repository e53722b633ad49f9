-- The host over libuv: what every host promises, and in a loop of somebody else's.
local Host = require "weir.host"
local Luv = require "weir.host.luv"
local conformance = require "hosts_conformance"
local scripted = require "scripted"
local uv = require "luv"
local weir = require "weir"

conformance("luv #unsanitized", function(main) return Luv.new().run(main) end)


describe("in a loop of luv's that somebody runs #unsanitized", function()
  local host, before

  before_each(function()
    host = Luv.new()
    before = Host.use(host)
  end)

  after_each(function()
    host.stop()
    Host.use(before)
  end)

  it("tasks that callbacks spawn wait, and the loop ends after them", function()
    local store, script = scripted.open()
    local got, ticks = nil, 0
    script.hold = true
    local timer = uv.new_timer()
    timer:start(1, 1, function()
      ticks = ticks + 1
      if ticks == 1 then
        weir.spawn(function() got = tostring(store:get "a") end)
      elseif ticks == 5 then
        script.hold = false
        timer:close()
      end
    end)
    uv.run()
    assert.equal(("a"):rep(32), got)
    assert.equal(5, ticks)
    store:close()
  end)

  it("tasks sleep and time out while the loop does other things", function()
    local order = {}
    weir.spawn(function()
      weir.sleep(0.02)
      order[#order + 1] = "slept"
    end)
    local timer = uv.new_timer()
    timer:start(5, 0, function()
      order[#order + 1] = "callback"
      timer:close()
    end)
    uv.run()
    assert.same({ "callback", "slept" }, order)
  end)

  it("a callback that waits is told to spawn, before anything is sent", function()
    local store, script = scripted.open()
    local value, err
    local timer = uv.new_timer()
    timer:start(1, 0, function()
      value, err = store:get "a"
      timer:close()
    end)
    uv.run()
    assert.is_nil(value)
    assert.matches("a callback of the loop cannot wait: use weir.spawn", err.message)
    assert.equal(0, script.calls)
    store:close()
  end)

  it("a second run is refused", function()
    local good, why
    local timer = uv.new_timer()
    timer:start(1, 0, function()
      good, why = pcall(host.run, function() end)
      timer:close()
    end)
    uv.run()
    assert.is_false(good)
    assert.matches("the loop runs already", why)
  end)

  it("the loop is not held open by a host with nothing to do", function()
    local store = scripted.open()
    weir.spawn(function() store:get "a" end)
    uv.run()
    assert.is_false(uv.loop_alive())
    store:close()
  end)
end)


describe("examples/luv/server.lua #unsanitized", function()
  it("answers what its first lines show", function()
    local port = require("weir.app.bench.ports").free()
    local server = io.popen("exec luajit examples/luv/server.lua " .. port)
    assert.matches("listening", server:read "*l")
    local answers, socket = "", uv.new_tcp()
    socket:connect("127.0.0.1", port, function(err)
      assert(not err, err)
      socket:read_start(function(_, data)
        if data then
          answers = answers .. data
        else
          socket:close()
        end
      end)
      socket:write "set color blue\nget color\nget shape\nget\nquit\n"
    end)
    uv.run()
    assert.equal("stored\nblue\nno such key\nget KEY, set KEY VALUE or quit\n", answers)
    server:close()
  end)
end)
