-- The host of nginx, in real ones: a row for each way in which it went wrong.
local Nginx = require "weir.bench.nginx"
local alarm = require "host.alarm"
local http = require "host.http"
local shell = require "shell"
local weir = require "weir"

local eventually = Nginx.eventually
local server


local function get(path, options)
  return http.get(server.url .. path, options)
end


-- Starts an nginx whose workers run `init` and serve the locations.
local function serve(opts)
  local http_part = { "lua_check_client_abort on;", opts.http or "" }
  if opts.init then
    http_part[#http_part + 1] = "init_worker_by_lua_block { weir = require 'weir' "
      .. opts.init .. "\n}"
  end
  local copy = {}
  for name, value in pairs(opts) do copy[name] = value end
  copy.http = table.concat(http_part, "\n")
  server = Nginx.start(copy)
end


-- A location that answers what the Lua code returns.
local function location(path, code)
  return ([[
    location %s { content_by_lua_block {
      local function answer()
        %s
      end
      ngx.print(tostring(answer()))
    } }]]):format(path, code)
end


local function ends_by(signal)
  server:signal(signal)
  return eventually(function() return not server:runs() end)
end


-- The log is read when all has ended: workers crash while they leave, too.
local function stop()
  local graceful = ends_by "QUIT"
  if not graceful then ends_by "TERM" end
  local log = server:log()
  server:stop()
  assert.is_nil(alarm(log))
  assert.is_true(graceful)
end


-- Queued stores in memory: one that answers at once, one that takes its time.
local STORES = [[
  quick = weir.memory { capacity = "64MiB", inline = false, workers = 2 }
  slow = weir.open("fault", { target = "memory", delay = "3ms", workers = 16 })
  here = weir.memory { capacity = "64MiB" }
  here:set("a", "value")
]]

local COUNTS = [[
  collectgarbage() collectgarbage()
  local flight = require "weir.flight"
  local inflight = quick:stats().inflight.batches + slow:stats().inflight.batches
  return ("%d %d"):format(flight.count(), inflight)
]]


local function resident(pid)
  local file = assert(io.open("/proc/" .. pid .. "/statm"))
  local pages = file:read "*a":match "^%d+ (%d+)"
  file:close()
  return tonumber(pages) * 4096
end


local function count(line)
  local _, text = shell.run(line .. " | wc -l")
  return tonumber(text)
end


describe("in nginx, a store #unsanitized", function()
  local TIMERS = [[
    local function fire() fired = (fired or 0) + 1 end
    for _ = 1, 3 do require("weir.host").timer(0.01, fire) end
    require("weir.host").timer(0.01, fire):cancel()
  ]]

  setup(function()
    serve { init = STORES .. TIMERS, server = table.concat {
      location("/set", "return quick:set('k', ('x'):rep(1000))"),
      location("/get", "return #quick:get 'k'"),
      location("/slow", "slow:set('k', 'v') return slow:get 'k'"),
      location("/here", "return here:get 'a'"),
      location("/late", [[
        local _, err = slow:get("k", { timeout = 0.001 })
        return err.code
      ]]),
      location("/tree", [[
        local tree = weir.tier { here, weir.route { ["a/"] = quick, default = slow } }
        assert(tree:set_many({ "a/1", "b/2" }, { "one", "two" }):all "good")
        here:delete "a/1" here:delete "b/2"
        local reply = tree:get_many { "a/1", "b/2", "c/3" }
        return reply:string(1) .. reply:string(2) .. reply[3]
      ]]),
      location("/fired", "return fired"),
      location("/counts", COUNTS),
    } }
  end)
  teardown(stop)

  it("may set timers as the worker starts", function()
    assert.is_true(eventually(function() return select(2, get "/fired") == "3" end))
  end)

  it("with workers answers through the doorbell", function()
    assert.same({ 200, "true" }, { get "/set" })
    assert.same({ 200, "1000" }, { get "/get" })
    assert.same({ 200, "v" }, { get "/slow" })
  end)

  it("in memory answers in place", function()
    assert.same({ 200, "value" }, { get "/here" })
  end)

  it("that is late is left, and its answer lands later", function()
    local status, code = get "/late"
    assert.equal(200, status)
    assert.is_true(code == "timeout" or code == "skipped", code)
    assert.is_true(eventually(function() return select(2, get "/counts") == "0 0" end))
  end)

  it("of policies works as anywhere", function()
    assert.same({ 200, "onetwomiss" }, { get "/tree" })
  end)

  it("has threads that leave all signals to nginx", function()
    local worker = server:workers()[1]
    local line = ("cat /proc/%d/task/*/status | grep SigBlk"):format(worker)
    local _, text = shell.run(line)
    local threads, blocking = 0, 0
    for mask in text:gmatch "SigBlk:%s*(%x+)" do
      threads = threads + 1
      if mask:match "^f" then blocking = blocking + 1 end
    end
    assert.is_true(threads > 2)
    assert.equal(threads - 1, blocking)
  end)
end)


describe("in nginx's master, a store #unsanitized", function()
  teardown(stop)

  it("cannot be opened, since threads do not survive the fork", function()
    serve {
      http = [[init_by_lua_block {
        local weir = require "weir"
        good, why = pcall(weir.memory, { capacity = "1MiB" })
      }]],
      server = location("/why", "return tostring(good) .. ' ' .. why")
        .. location("/then", "return require('weir').memory { capacity = '1MiB' }"),
    }
    local _, why = get "/why"
    assert.matches("^false .*init_by_lua.*init_worker_by_lua", why)
    assert.same({ 200, "weir.store(memory)" }, { get "/then" })
  end)
end)


describe("in a phase that cannot wait #unsanitized", function()
  local PHASES = {
    header_filter = "header_filter_by_lua_block { note() }",
    body_filter = "body_filter_by_lua_block { if ngx.arg[2] then note() end }",
    log = "log_by_lua_block { note() }",
    set = "set_by_lua_block $x { note() return 1 }",
  }

  setup(function()
    local locations = {}
    for phase, code in pairs(PHASES) do
      local plain = location("/" .. phase, "return 1")
      locations[#locations + 1] = plain:gsub("{", "{ " .. code, 1)
    end
    locations[#locations + 1] = location("/join", [[
      weir.spawn(function() shared:get "k" end)
      while shared.flying == 0 do ngx.sleep(0.001) end
    ]]):gsub("{", "{ log_by_lua_block { note_shared() }", 1)
    locations[#locations + 1] = location("/noted", "return noted")
    locations[#locations + 1] = location("/worker", "return at_start")
    serve { init = STORES .. [[
      function note()
        local _, err = quick:get "a"
        local sent = quick:stats().ops.get
        noted = ("%s %s %d %s"):format(err.code, tostring(here:get "a"),
          sent and sent.items or 0, err.message)
      end
      note()
      at_start = noted
      shared = weir.open("fault", { target = "memory", delay = "500ms" }) :coalesce()
      function note_shared()
        local _, err = shared:get "k"
        noted = err.code
      end
    ]], server = table.concat(locations, "\n") }
  end)
  teardown(stop)

  for phase in pairs(PHASES) do
    it(phase .. " refuses before anything is sent; memory answers", function()
      get("/" .. phase)
      local _, noted = get "/noted"
      assert.matches("^unsupported value 0 .*" .. phase .. "_by_lua cannot wait", noted)
    end)
  end

  it("log does not join a read that is under way", function()
    get "/join"
    assert.same({ 200, "timeout" }, { get "/noted" })
  end)

  it("init_worker refuses, too", function()
    local _, noted = get "/worker"
    assert.matches("^unsupported value 0 .*init_worker_by_lua cannot wait", noted)
  end)
end)


describe("when a client hangs up #unsanitized", function()
  setup(function()
    serve { init = STORES .. [[
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
      location("/counts", COUNTS),
    } }
    get "/fill"
  end)
  teardown(stop)

  it("10,000 times nothing leaks", function()
    http.abort(server.port, "/big", 2000, 100)
    assert.is_true(eventually(function() return select(2, get "/counts") == "0 0" end))
    local worker = server:workers()[1]
    local before, files = resident(worker), count("ls /proc/" .. worker .. "/fd")
    http.abort(server.port, "/big", 8000, 100)
    assert.is_true(eventually(function() return select(2, get "/counts") == "0 0" end))
    assert.is_true(resident(worker) - before < 48 * 2 ^ 20)
    assert.is_true(count("ls /proc/" .. worker .. "/fd") <= files + 8)
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


describe("when nginx #unsanitized", function()
  after_each(stop)

  local function serve_work(opts)
    opts.init = STORES .. "weir.fs { path = ngx.config.prefix() .. 'values' }"
    opts.server = table.concat {
      location("/slow", "return slow:exists('k') == false and 'answered'"),
      location("/quick", "return quick:exists('k') == false and 'answered'"),
      location("/task", [[
        return select(2, weir.join(weir.spawn(function() return slow:exists "k" end)))
      ]]),
      location("/long", [[
        for _ = 1, 100 do slow:exists "k" end
        return "answered"
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
    assert.is_true(seconds_to_go() < plain + 0.5)
  end)

  it("quits gracefully the last answer is given, then it is gone", function()
    serve_work { workers = 1 }
    get "/quick"
    get "/task"
    local answer = io.popen("curl -s -m 20 " .. server.url .. "/long")
    os.execute "sleep 0.1"
    server:signal "QUIT"
    assert.equal("answered", answer:read "*a")
    answer:close()
    assert.is_true(seconds_to_go() < 2)
  end)

  it("quits gracefully whoever waits for a turn still gets it", function()
    serve {
      init = [[
        limited = weir.memory { capacity = "4MiB" } :limit { rate = 5 }
        limited:set("k", "answered")
      ]],
      server = location("/get", "return limited:get 'k'")
        .. location("/waiting", "return #limited.waiting"),
    }
    local answers = {}
    for i = 1, 9 do answers[i] = io.popen("curl -s -m 10 " .. server.url .. "/get") end
    assert.is_true(eventually(function() return select(2, get "/waiting") >= "4" end))
    server:signal "QUIT"
    for i = 1, 9 do assert.equal("answered", answers[i]:read "*a") end
    for i = 1, 9 do answers[i]:close() end
  end)

  it("stops at once operations may be in flight", function()
    serve_work { workers = 1 }
    assert.same({ 200, "started" }, { get "/start" })
    assert.is_true(ends_by "TERM")
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
    assert.is_true(ends_by "QUIT")
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
      return count("ls /proc/" .. worker .. "/fd") < 60
        and count("ls /proc/" .. worker .. "/task") < 30
    end))
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


describe("the doorbell's socket #unsanitized", function()
  after_each(stop)

  local function serve_bell(folder, user)
    serve { user = user, init = ([[
      local Host, Ngx = require "weir.host", require "weir.host.ngx"
      Host.use(Ngx.new { folder = %s })
      quick = weir.memory { capacity = "64MiB", inline = false }
    ]]):format(folder), server = location("/get", "return quick:exists 'k'") }
  end

  it("lies in the folder that was configured, as long as it takes", function()
    serve_bell "ngx.config.prefix()"
    assert.same({ 200, "false" }, { get "/get" })
    assert.equal(0, count("ls " .. server.prefix .. " | grep ^weir-"))
    assert.is_nil(server:log():match "no doorbell")
  end)

  it("is made elsewhere when the folder is none of the user's", function()
    serve_bell("'/root'", "www-data www-data")
    assert.same({ 200, "false" }, { get "/get" })
    assert.matches("no doorbell in /root: Permission denied", server:log())
  end)

  it("is made elsewhere when the path is too long", function()
    serve_bell "'/tmp/' .. ('x'):rep(120)"
    assert.same({ 200, "false" }, { get "/get" })
    assert.matches("File name too long", server:log())
  end)
end)


describe("the library, in nginx, #unsanitized", function()
  teardown(stop)

  it("creates no coroutine of its own", function()
    serve {
      http = [[init_by_lua_block {
        made = {}
        for _, name in ipairs { "create", "wrap" } do
          local original = coroutine[name]
          coroutine[name] = function(...)
            made[#made + 1] = debug.traceback()
            return original(...)
          end
        end
      }]],
      init = STORES,
      server = location("/", [[
        local both = weir.mirror { quick, slow }
        local tree = weir.tier { quick, weir.route { ["a/"] = both, default = quick } }
          :timeout(1):retry { 2 }:limit { rate = 100 }:coalesce():deadline(5)
        tree:set_many({ "a/1", "b" }, { "1", "2" })
        tree:get_many { "a/1", "b", "c" }
        for _ in quick:scan {} do end
        weir.join(weir.spawn(function() weir.sleep(0.001) end))
        return #made .. (made[1] or "")
      ]]),
    }
    assert.same({ 200, "0" }, { get "/" })
  end)
end)


-- The conformance runs inside a worker: there its `it` notes the tests, here each
-- becomes one that asks for it by number.
describe("in nginx, as on any host, #unsanitized", function()
  local CONFORMANCE = [[
    package.path = %q .. "/spec/?.lua;" .. package.path
    tests = {}
    package.loaded.busted = {
      describe = function(_, fn) fn() end,
      it = function(name, fn) tests[#tests + 1] = { name = name, run = fn } end,
    }
    local function run(main)
      local results = { weir.join(weir.spawn(main)) }
      if not results[1] then error(results[2], 0) end
      return unpack(results, 2)
    end
    require "hosts_conformance" ("ngx", run, false)
  ]]

  setup(function()
    local _, here = shell.run "pwd"
    serve {
      init = CONFORMANCE:format((here:gsub("\n", ""))),
      server = location("/name", [[
        local test = tests[tonumber(ngx.var.arg_n)]
        return test and test.name or "that was all"
      ]]) .. location("/run", [[
        local good, why = pcall(tests[tonumber(ngx.var.arg_n)].run)
        return good and "passes" or why
      ]]),
    }
  end)
  teardown(stop)

  -- Asks until there is no further test, or none answers.
  local function run_all()
    local n, failed = 0, {}
    while true do
      local status, name = get("/name?n=" .. n + 1)
      if status ~= 200 or name == "that was all" then break end
      n = n + 1
      local _, outcome = get("/run?n=" .. n)
      if outcome ~= "passes" then failed[#failed + 1] = name .. ": " .. outcome end
    end
    return n, failed
  end

  it("the conformance holds", function()
    local n, failed = run_all()
    assert.same({}, failed)
    assert.is_true(n > 14)
  end)
end)
