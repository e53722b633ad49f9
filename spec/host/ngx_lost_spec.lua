-- nginx lets coroutines and timers vanish without a word; what must hold then.
local Nginx = require "weir.app.bench.nginx"
local http = require "host.http"
local served = require "host.served"

local eventually, location = Nginx.eventually, served.location
local server


local function serve(opts)
  server = served.start(opts)
end


local function stop()
  served.stop(server)
end


local function get(path, options)
  return http.get(server.url .. path, options)
end


local function resident(pid)
  local file = assert(io.open("/proc/" .. pid .. "/statm"))
  local pages = file:read "*a":match "^%d+ (%d+)"
  file:close()
  return tonumber(pages) * 4096
end


describe("when a client hangs up #unsanitized", function()
  setup(function()
    serve { init = served.STORES .. [[
      l2 = weir.l2(weir.open("fault", { target = "memory", delay = "20ms" }))
      keys = { "m@00000000@0@61" }
    ]], server = table.concat {
      location("/fill", "return slow:set('big', ('x'):rep(65536))"),
      location("/big", "return #slow:get 'big'"),
      location("/task", [[
        weir.join(weir.spawn(function()
          slow:get "big"
          finished = (finished or 0) + 1
        end))
      ]]),
      location("/finished", "return finished"),
      location("/kill", [[
        local thread = ngx.thread.spawn(function() slow:get "big" end)
        ngx.thread.kill(thread)
        return #slow:get "big"
      ]]),
      location("/into", [[
        local buffer = require("ffi").new("char[?]", 65536)
        return slow:get_into("big", buffer)
      ]]),
      location("/put", [[
        local data = require("ffi").new("char[?]", 65536, 120)
        require("ffi").fill(data, 65536, 120)
        return slow:set("lent", data)
      ]]),
      location("/lent", "return slow:get 'lent' == ('x'):rep(65536)"),
      location("/exit", [[
        ngx.thread.spawn(function() slow:get "big" end)
        ngx.exit(204)
      ]]),
      location("/delete", "return l2:delete(keys)[1]"),
      location("/marked", "return next(l2.deleting)"),
      location("/found", [[
        l2:submit_store_task(keys, { "value" })
        l2:wait "store"
        l2:pop_completed_store_tasks()
        local id = l2:submit_lookup_and_lock_task(keys)
        l2:wait "lookup"
        local found = tostring(l2:query_lookup_and_lock_result(id))
        l2:submit_unlock(keys)
        return found
      ]]),
      location("/counts", served.COUNTS),
    } }
    get "/fill"
  end)
  teardown(stop)

  it("10,000 times nothing leaks", function()
    http.abort(server.port, "/big", 2000, 100)
    assert.is_true(eventually(function() return select(2, get "/counts") == "0 0" end))
    local worker = server:workers()[1]
    local before, files = resident(worker), served.count("ls /proc/" .. worker .. "/fd")
    http.abort(server.port, "/big", 8000, 100)
    assert.is_true(eventually(function() return select(2, get "/counts") == "0 0" end))
    assert.is_true(resident(worker) - before < 48 * 2 ^ 20)
    assert.is_true(served.count("ls /proc/" .. worker .. "/fd") <= files + 8)
    assert.same({ 200, "65536" }, { get "/big" })
    assert.same({ worker }, server:workers())
  end)

  it("the memory it lent is used until the answer, and no longer", function()
    for _ = 1, 10 do
      http.abort(server.port, "/into", 50, 50)
      http.abort(server.port, "/put", 50, 50)
      get "/counts"
    end
    assert.is_true(eventually(function() return select(2, get "/counts") == "0 0" end))
    assert.same({ 200, "true" }, { get "/lent" })
    assert.same({ 200, "65536" }, { get "/into" })
  end)

  it("a task that it started goes on to its end", function()
    http.abort(server.port, "/task", 50, 50)
    assert.is_true(eventually(function() return select(2, get "/finished") == "50" end))
  end)

  it("that deletes by the L2 adapter, the keys can be found again", function()
    assert.same({ 200, "1" }, { get "/found" })
    http.abort(server.port, "/delete", 20, 20)
    assert.is_true(eventually(function() return select(2, get "/marked") == "nil" end))
    assert.same({ 200, "1" }, { get "/found" })
  end)

  it("or a thread is killed, or the request exits, the rest is unharmed", function()
    for _ = 1, 20 do
      assert.same({ 200, "65536" }, { get "/kill" })
      assert.equal(204, (get "/exit"))
    end
    assert.is_true(eventually(function() return select(2, get "/counts") == "0 0" end))
  end)
end)


describe("when nginx drops #unsanitized", function()
  local ONE = "local function one() return 'ran' end "

  after_each(stop)

  -- Two timers can run, and for the first second and a half those are others.
  local function serve_busy(code)
    serve {
      http = "lua_max_running_timers 2;",
      init = "quick = weir.memory { capacity = '64MiB', inline = false }",
      server = location("/", [[
        for _ = 1, 2 do ngx.timer.at(0, function() ngx.sleep(1.5) end) end
        ngx.sleep(0.01)
      ]] .. code),
    }
  end

  it("the timer of the doorbell, who waits starts it again", function()
    serve_busy "return quick:exists 'k'"
    assert.same({ 200, "false" }, { get "/" })
  end)

  it("the timer of the tasks, who joins one starts it again", function()
    serve_busy(ONE .. "return select(2, weir.join(weir.spawn(one)))")
    assert.same({ 200, "ran" }, { get "/" })
  end)

  it("all tasks, as one calls ngx.exit, those that come later run", function()
    serve {
      init = "",
      server = location("/at-once", "weir.spawn(ngx.exit, 204)")
        .. location("/later", [[
          weir.spawn(function()
            weir.sleep(0.01)
            ngx.exit(204)
          end)
        ]])
        .. location("/one", ONE .. "return select(2, weir.join(weir.spawn(one)))"),
    }
    for _, path in ipairs { "/at-once", "/later" } do
      assert.same({ 200, "ran" }, { get "/one" })
      get(path)
      assert.same({ 200, "ran" }, { get "/one" })
    end
  end)
end)
