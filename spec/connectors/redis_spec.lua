-- The redis connector through the verbs, on a real server. What nonsense, faults,
-- full servers and certificates have to say about it is in spec/redis/*.c.
local Server = require "weir.app.bench.redis_server"
local Shell = require "shell"
local contract = require "contract"
local status = require "weir.core.status"
local weir = require "weir"

-- A certificate of its own, for 127.0.0.1.
local CERTIFY = [[cd %s && openssl req -x509 -newkey ec \
  -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out cert.pem -days 2 \
  -subj /CN=weir -addext subjectAltName=IP:127.0.0.1 2>/dev/null]]

local made = 0


local function fresh_prefix()
  made = made + 1
  return ("spec%d:"):format(made)
end


describe("redis", function()
  local server

  setup(function() server = assert(Server.start()) end)
  teardown(function() server:stop() end)

  for _, transport in ipairs { "url", "unix_url" } do
    describe("by " .. transport, function()
      contract {
        atomic = "all",
        open = function(options)
          options.prefix = fresh_prefix()
          return weir.open(server[transport], options)
        end,
      }
    end)
  end

  describe("by TLS", function()
    local folder, secure

    setup(function()
      folder = Shell.folder()
      Shell.run(CERTIFY:format(folder))
      secure = assert(Server.start(nil, folder))
    end)
    teardown(function()
      secure:stop()
      Shell.remove(folder)
    end)

    contract {
      atomic = "all",
      open = function(options)
        options.prefix = fresh_prefix()
        return weir.open(secure.tls_url, options)
      end,
    }
  end)

  describe("without MGET and MSET", function()
    contract {
      atomic = "all",
      open = function(options)
        options.prefix, options.multi = fresh_prefix(), false
        return weir.redis { port = server.port, prefix = options.prefix, multi = false,
          max_value = options.max_value }
      end,
    }
  end)

  it("takes user, password, port and database from the URL", function()
    os.execute(("redis-cli -p %d acl setuser ann on '>p w' '~*' '+@all' >/dev/null")
      :format(server.port))
    local url = ("redis://ann:p%%20w@127.0.0.1:%d/5"):format(server.port)
    local five, zero = weir.open(url), weir.open(server.url)
    assert(five:set("only here", "5"))
    assert.equal("5", tostring(five:get "only here"))
    assert.is_nil(zero:get "only here")
    five:close()
    zero:close()
  end)

  it("puts its prefix before keys, and takes it off in a scan", function()
    local plain = weir.open(server.url)
    local store = weir.open(server.url, { prefix = "[*]:" })
    assert(store:set("a", "1"))
    assert.equal("1", tostring(plain:get "[*]:a"))
    assert(plain:set("xy:b", "2"))
    local keys = {}
    for key in store:scan {} do keys[#keys + 1] = key end
    assert.same({ "a" }, keys)
    store:close()
    plain:close()
  end)

  it("gives what is set its default time to live", function()
    local store = weir.open(server.url, { ttl = "60s" })
    assert(store:set("brief", "1"))
    assert(store:set_many({ "b1", "b2", "b3", "b4", "b5", "b6", "b7", "b8", "b9" },
      { "1", "2", "3", "4", "5", "6", "7", "8", "9" }):all "good")
    for _, key in ipairs { "brief", "b5" } do
      local ttl = store:stat(key).ttl
      assert.is_true(ttl > 50 and ttl <= 60)
    end
    store:close()
  end)

  it("gives what atomic ops make its default time to live", function()
    local prefix = fresh_prefix()
    local store = weir.open(server.url, { ttl = "60s", prefix = prefix })
    local plain = weir.open(server.url, { prefix = prefix })
    local big = 9223372036854775806LL
    assert.equal(big, store:incr("n", big))
    assert.equal(big + 1, store:incr "n")
    assert.equal(1, store:append("a", "x"))
    assert.is_true(store:add("b", "x"))
    for _, key in ipairs { "n", "a", "b" } do
      local ttl = plain:stat(key).ttl
      assert.is_true(ttl > 50 and ttl <= 60)
    end
    store:close()
    plain:close()
  end)

  it("counts once what it acknowledges, over connections that break", function()
    local store = weir.open(server.url, { prefix = fresh_prefix() })
    local tree = store:retry { 5, budget = false, base = 0.001 }
    local done, maybe, tasks = 0, 0, {}
    for i = 1, 8 do
      tasks[i] = weir.spawn(function()
        for _ = 1, 100 do
          local sum, err = tree:incr "n"
          if sum then
            done = done + 1
          elseif status.applied[err.code] == "maybe" then
            maybe = maybe + 1
          end
        end
      end)
    end
    for _ = 1, 10 do
      Shell.run(("redis-cli -p %d client kill type normal"):format(server.port))
      weir.sleep(0.005)
    end
    for i = 1, 8 do weir.join(tasks[i]) end
    local sum = tonumber(tostring(store:get "n"))
    assert.is_true(sum >= done and sum <= done + maybe,
      ("%d done, %d maybe, %d counted"):format(done, maybe, sum))
    assert.is_true(store:stats().reconnects > 0)
    store:close()
  end)

  it("says in the server's words what is wrong", function()
    local store = weir.open(server.url)
    os.execute(("redis-cli -p %d lpush alist x >/dev/null"):format(server.port))
    local value, err = store:get "alist"
    assert.is_nil(value)
    assert.equal("failed", err.code)
    assert.matches("redis 127.0.0.1:" .. server.port .. ": -WRONGTYPE Operation",
      tostring(err), 1, true)
    store:close()
  end)

  it("refuses options that cannot be, naming them", function()
    for url, words in pairs {
      ["redis://127.0.0.1:0"] = "option port",
      ["redis://127.0.0.1:6379/x"] = "option db",
      ["redis://127.0.0.1?prefixx=a"] = "prefix",
      ["redis://127.0.0.1?key=/tmp/k"] = "option key",
      ["redis://ann@127.0.0.1"] = "option user",
      ["redis+unix:///" .. ("x"):rep(200)] = "option socket",
      ["redis+unix://"] = "option socket: expected a path",
      ["redis+unix://run/redis.sock"] = "a path needs a third slash: "
        .. "redis+unix:///run/redis.sock",
      ["redis+unix:///?db=1"] = "option socket: expected a path",
      ["rediss://127.0.0.1?ca=/no/such/file"] = "option ca",
      ["redis+unix:///tmp/s?tls=true"] = "option server_name",
    } do
      local good, err = pcall(weir.open, url)
      assert.is_false(good)
      assert.matches(words, tostring(err), 1, true)
    end
  end)

  it("runs the example, which says what it promises", function()
    local promised = {}
    for line in io.lines "examples/redis.lua" do
      promised[#promised + 1] = line:match "^%-%-     (%a.*%d.*)$"
    end
    local build = os.getenv "WEIR_BUILD" or "build"
    local code, said = Shell.run(build .. "/weir run examples/redis.lua " .. server.url)
    assert.equal(0, code)
    assert.equal(table.concat(promised, "\n", 2) .. "\n", said)
  end)

  it("measures no server of another machine, nor one here instead", function()
    local build = os.getenv "WEIR_BUILD" or "build"
    for url, host in pairs {
      ["redis://far:6379"] = "far", ["redis://ann:1234@far.example"] = "far.example",
      ["redis://[fe80::1]:6379/0"] = "fe80::1",
    } do
      local code, said = Shell.run(
        ("%s/weir bench redis '%s' targets none 2>&1"):format(build, url))
      assert.not_equal(0, code)
      assert.matches("of this machine, got " .. host, said, 1, true)
    end
  end)

  it("never prints the password", function()
    local store = weir.open "redis://ann:secret@127.0.0.1:1"
    local _, err = store:get "a"
    assert.is_nil(tostring(err):find("secret", 1, true))
    assert.is_nil(tostring(store):find("secret", 1, true))
    store:close()
  end)
end)
