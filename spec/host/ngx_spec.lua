-- The host of nginx, in real ones: what works there, and what is refused.
local Nginx = require "weir.app.bench.nginx"
local http = require "host.http"
local served = require "host.served"
local shell = require "shell"

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


describe("in nginx, a store #unsanitized", function()
  local TIMERS = [[
    local function fire() fired = (fired or 0) + 1 end
    for _ = 1, 3 do require("weir.host").timer(0.01, fire) end
    require("weir.host").timer(0.01, fire):cancel()
  ]]

  setup(function()
    serve { init = served.STORES .. TIMERS, server = table.concat {
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
      location("/string", "return quick:get_string 'k'"),
      location("/refused", "return select(2, pcall(ngx.print, here:get 'a'))"),
      [[location /pieces { content_by_lua_block {
        local v = here:get "a"
        ngx.print(tostring(v))
        for at = 1, #v, 2 do ngx.print(v:sub(at, at + 1)) end
      } }]],
      location("/fired", "return fired"),
      location("/counts", served.COUNTS),
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

  it("gives values that ngx.print takes as text, and as text only", function()
    assert.same({ 200, ("x"):rep(1000) }, { get "/string" })
    assert.same({ 200, "valuevalue" }, { get "/pieces" })
    assert.matches("got cdata", select(2, get "/refused"))
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
    serve { init = served.STORES .. [[
      function note()
        local _, err = quick:get "a"
        local sent = quick:stats().ops.get
        noted = ("%s %s %d %s"):format(err.code, tostring(here:get "a"),
          sent and sent.keys or 0, err.message)
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
    assert.same({ 200, "unsupported" }, { get "/noted" })
  end)

  it("init_worker refuses, too", function()
    local _, noted = get "/worker"
    assert.matches("^unsupported value 0 .*init_worker_by_lua cannot wait", noted)
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
    assert.equal(0, served.count("ls " .. server.prefix .. " | grep ^weir-"))
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
      init = served.STORES,
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
