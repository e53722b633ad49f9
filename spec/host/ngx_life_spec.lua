-- nginx reloads, quits and stops with weir in its workers, and has several of them.
local Nginx = require "weir.app.bench.nginx"
local http = require "host.http"
local served = require "host.served"
local weir = require "weir"

local eventually, location = Nginx.eventually, served.location
local server

-- For a location: tells nginx to end while this request is under way.
local QUIT = [[os.execute("kill -QUIT $(cat " .. ngx.config.prefix() .. "nginx.pid)")]]


local function serve(opts)
  server = served.start(opts)
end


local function stop()
  served.stop(server)
end


local function get(path, options)
  return http.get(server.url .. path, options)
end


describe("when nginx #unsanitized", function()
  after_each(stop)

  local function serve_work(opts)
    opts.init = served.STORES .. "weir.fs { path = ngx.config.prefix() .. 'values' }"
    opts.server = table.concat {
      location("/slow", "return slow:exists('k') == false and 'answered'"),
      location("/quick", "return quick:exists('k') == false and 'answered'"),
      location("/task", [[
        return select(2, weir.join(weir.spawn(function() return slow:exists "k" end)))
      ]]),
      location("/long", QUIT .. [[
        while not ngx.worker.exiting() do slow:exists "k" end
        for _ = 1, 10 do slow:exists "k" end
        return "answered"
      ]]),
      location("/late", QUIT .. [[
        while not ngx.worker.exiting() do ngx.sleep(0.001) end
        return quick:exists 'k' == false and "answered"
      ]]),
      location("/pid", "quick:exists 'k' return ngx.worker.pid()"),
      location("/two", [[
        local Host, Ngx = require "weir.host", require "weir.host.ngx"
        other = other or Ngx.new()
        local first = Host.use(other)
        slow:exists "k"
        Host.use(first)
        return first ~= other and slow:exists "k" == false and "answered"
      ]]),
      location("/alone", "weir.spawn(error, 'alone', 0)"),
      location("/start", [[
        for _ = 1, 1000 do weir.spawn(slow.exists, slow, "k") end
        while slow:stats().inflight.batches == 0 do weir.sleep(0) end
        return "started"
      ]]),
    }
    serve(opts)
  end

  it("reloads under load no request fails", function()
    serve_work { workers = 2 }
    local first = server:workers()
    local loads = {}
    for i, path in ipairs { "/slow", "/quick", "/task" } do
      loads[i] = io.popen(("wrk -t1 -c8 -d3 -H 'Connection: close' %s%s 2>&1")
        :format(server.url, path))
    end
    for _ = 1, 5 do
      os.execute "sleep 0.4"
      server:signal "HUP"
    end
    for _, load in ipairs(loads) do
      local text = load:read "*a"
      load:close()
      assert.matches("requests in", text)
      assert.is_nil(text:match "Socket errors[^\n]*")
      assert.is_nil(text:match "Non%-2xx[^\n]*")
    end
    assert.is_true(eventually(function() return #server:workers() == 2 end))
    assert.not_same(first, server:workers())
  end)

  -- The seconds until nginx has ended.
  local function seconds_to_go()
    local started = weir.now()
    assert.is_true(eventually(function() return not server:runs() end))
    return weir.now() - started
  end

  it("quits gracefully with nothing to do, it is as fast as without weir", function()
    serve { server = "location / { return 200; }" }
    get "/"
    server:signal "QUIT"
    local plain = seconds_to_go()
    server:stop()
    serve_work { workers = 1 }
    get "/quick"
    get "/task"
    server:signal "QUIT"
    -- A worker that weir keeps alive would stay for ever. A busy machine is slow.
    assert.is_true(seconds_to_go() < plain + 5)
  end)

  it("quits gracefully the last answer is given, then it is gone", function()
    serve_work { workers = 1 }
    get "/quick"
    get "/task"
    assert.same({ 200, "answered" }, { get "/long" })
    assert.is_true(seconds_to_go() < 20)
  end)

  it("quits gracefully a store that was not used before still answers", function()
    serve_work { workers = 1 }
    assert.same({ 200, "answered" }, { get "/late" })
    assert.is_true(seconds_to_go() < 20)
  end)

  it("quits gracefully whoever waits for a turn still gets it", function()
    serve {
      init = [[
        limited = weir.memory { capacity = "4MiB" } :limit { rate = 5 }
        limited:set("k", "answered")
      ]],
      server = location("/get", [[
        local tasks, answers = {}, 0
        for i = 1, 9 do
          tasks[i] = weir.spawn(function() return limited:get_string "k" end)
        end
        weir.sleep(0)
        local waiting = #limited.waiting
      ]] .. QUIT .. [[
        while not ngx.worker.exiting() do weir.sleep(0.001) end
        local still = #limited.waiting
        for i = 1, 9 do
          if select(2, weir.join(tasks[i])) == "answered" then answers = answers + 1 end
        end
        return ("%d waited, %s at the end, %d were answered"):format(waiting,
          still > 0 and "some" or "none", answers)
      ]]),
    }
    local _, text = get "/get"
    assert.matches("^[4-9] waited, some at the end, 9 were answered$", text)
  end)

  it("stops at once operations may be in flight", function()
    serve_work { workers = 1 }
    assert.same({ 200, "started" }, { get "/start" })
    assert.is_true(served.ends_by(server, "TERM"))
  end)

  it("quits what on_stop was given runs, each once, whichever raises", function()
    serve { init = [[
      local Host = require "weir.host"
      Host.on_stop(function() ngx.log(ngx.NOTICE, "the first to come") end)
      Host.on_stop(error)
      Host.on_stop(function() ngx.log(ngx.NOTICE, "the last to come") end)
    ]] }
    server:signal "HUP"
    assert.is_true(eventually(function()
      return server:log():match "the first to come"
    end))
    assert.is_true(served.ends_by(server, "QUIT"))
    local order = "the last to come[^\n]*\n[^\n]*while leaving[^\n]*\n[^\n]*the first"
    assert.equal(2, select(2, server:log():gsub(order, "")))
  end)

  it("has a task that fails and nobody joins its log says why", function()
    serve_work { workers = 1 }
    get "/alone"
    assert.is_true(eventually(function()
      return server:log():match "a task failed: alone"
    end))
  end)

  it("has two hosts in a worker each answers, and both let it end", function()
    serve_work { workers = 1 }
    for _ = 1, 2 do assert.same({ 200, "answered" }, { get "/two" }) end
  end)

  for _, workers in ipairs { 2, 4 } do
    it(("has %d workers each has a bell of its own"):format(workers), function()
      serve_work { workers = workers, listen = "reuseport" }
      local seen, n = {}, 0
      assert.is_true(eventually(function()
        local _, pid = get "/pid"
        if not seen[pid] then n = n + 1 end
        seen[pid] = true
        return n == workers
      end))
      for _, pid in ipairs(server:workers()) do assert.is_true(seen[tostring(pid)]) end
    end)
  end

  it("has lua_code_cache off every request is served, and nothing piles up", function()
    serve {
      level = "error",
      http = "lua_code_cache off;",
      server = location("/", [[
        local weir = require "weir"
        local store = weir.memory { capacity = "4MiB", inline = false, workers = 2 }
        assert(store:set("k", "v"))
        local task = weir.spawn(function() return tostring(store:get "k") end)
        return select(2, weir.join(task))
      ]]),
    }
    local worker = server:workers()[1]
    for _ = 1, 60 do assert.same({ 200, "v" }, { get "/" }) end
    assert.same({ worker }, server:workers())
    assert.is_true(eventually(function()
      return served.count("ls /proc/" .. worker .. "/fd") < 60
        and served.count("ls /proc/" .. worker .. "/task") < 30
    end))
  end)
end)
