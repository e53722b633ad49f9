-- The life of a weir serve: ready, reloaded, drained; who may do what; bounds.
local Server = require "serve.server"
local Shell = require "shell"

local HUP, TERM, KILL = 1, 15, 9


local function python(server, script, words)
  local _, out, err = Shell.run(("/usr/bin/python3 spec/serve/%s %d %s"):format(script,
    server.port, words or ""), nil, 100)
  return out .. err
end


describe("weir serve", function()
  local folder, server

  before_each(function() folder = Shell.folder() end)
  after_each(function()
    if server then server:close() end
    server = nil
    Shell.remove(folder)
  end)

  local function policy(text)
    Shell.write(folder .. "/kv.lua", text)
    return folder .. "/kv.lua"
  end

  it("reloads under load without a failed operation", function()
    local versions = { [[return memory { capacity = "64MiB" }]],
      [[return memory { capacity = "64MiB" } :coalesce()]],
      [[return tier { memory { capacity = "64MiB" },
        memory { capacity = "32MiB", inline = false } } :deadline(20)]] }
    server = Server.start(policy(versions[1]))
    local out = folder .. "/load"
    os.execute(("/usr/bin/python3 spec/serve/load.py %d 4 >%s 2>&1 &"):format(
      server.port, out))
    local n = 0
    local function result()
      local file = io.open(out)
      local text = file and file:read "*a" or ""
      if file then file:close() end
      return text:find "\n" and text
    end
    while not result() do
      n = n + 1
      policy(versions[n % 3 + 1])
      server:signal(HUP)
      server:wait(function()
        return select(2, server:log():gsub("serve: reloaded", "")) >= n
      end)
    end
    assert.is_true(n > 3)
    assert.matches("^%d%d%d+ %[%]\n", result())
  end)

  it("keeps the old trees when a file is bad", function()
    server = Server.start(policy [[return memory {}]] .. " memory://")
    server:cli "set a 1"
    policy [[return memry {}]]
    assert.matches('database 0: .*did you mean "memory"', server:cli "weir reload")
    assert.equal("1\n", server:cli "get a")
    server:signal(HUP)
    server:wait(function() return server:log():find "not reloaded: database 0" end)
  end)

  it("goes back by WEIR UNDO", function()
    server = Server.start(policy [[return memory {}]])
    policy [[return memory {} :readonly()]]
    assert.equal("OK\n", server:cli "weir reload")
    assert.matches("readonly", server:cli "weir tree")
    assert.equal("OK\n", server:cli "weir undo")
    assert.equal("memory\n", server:cli "weir tree")
  end)

  it("shows the breakers, and sets one by hand", function()
    server = Server.start(policy [[return memory {} :breaker {}]])
    assert.equal("closed       breaker\n", server:cli "weir breaker")
    assert.equal("breaker is forced_open\n", server:cli "weir breaker open")
    assert.matches("forced by hand until it is reset", server:cli "get k")
    assert.equal("forced_open  breaker\n", server:cli "weir breaker")
    assert.matches("did you mean \"reset\"", server:cli "weir breaker rest")
    assert.matches("no breaker at \"x\"; there are breaker",
      server:cli "weir breaker reset x")
    assert.equal("breaker is closed\n", server:cli "weir breaker RESET breaker")
    assert.equal("OK\n", server:cli "set k v")
  end)

  it("answers what is under way at SIGTERM, and ends", function()
    local gate, out = folder .. "/gate", folder .. "/out"
    server = Server.start(policy(Server.gated(gate)))
    os.execute(("redis-cli -p %d set slow 1 >%s 2>&1 &"):format(server.port, out))
    server:wait(function() return server:info "requests_waiting" == "2" end)
    server:signal(TERM)
    server:wait(function() return server:cli "ping" ~= "PONG\n" end)
    Shell.write(gate, "")
    server:wait(function() return not server:runs() end)
    local file = io.open(out)
    assert.equal("OK\n", file:read "*a")
    file:close()
  end)

  it("ends within --drain, and at once at a second SIGTERM", function()
    for _, second in ipairs { false, true } do
      server = Server.start("'fault://?target=memory&delay=1h' --drain "
        .. (second and "1h" or "1s"))
      os.execute(("redis-cli -p %d set slow 1 >/dev/null 2>&1 &"):format(server.port))
      server:wait(function() return server:info "requests_waiting" == "2" end)
      server:signal(TERM)
      server:wait(function() return server:cli "ping" ~= "PONG\n" end)
      if second then server:signal(TERM) end
      server:wait(function() return not server:runs() end)
    end
  end)

  it("ends within --drain while a policy waits for a store that hangs", function()
    server = Server.start(policy [[return fault { target = "memory", delay = "1h" }
      :coalesce()]] .. " --drain 1s")
    for _ = 1, 3 do
      os.execute(("redis-cli -p %d set slow 1 >/dev/null 2>&1 &"):format(server.port))
      os.execute(("redis-cli -p %d weir trace a >/dev/null 2>&1 &"):format(server.port))
    end
    server:wait(function() return server:info "requests_waiting" == "7" end)
    server:signal(TERM)
    server:wait(function() return not server:runs() end)
    assert.is_nil(server:log():find("traceback", 1, true))
    assert.equal(0, server:code())
  end)

  it("hears signals while clients never pause", function()
    server = Server.start(policy [[return memory {} :readonly()]])
    for _, words in ipairs { "-t get -P 16", "echo hello" } do
      os.execute(("redis-benchmark -p %d -n 100000000 -c 50 -q %s >/dev/null 2>&1 &")
        :format(server.port, words))
    end
    server:wait(function() return tonumber(server:info "connected_clients") > 100 end)
    server:signal(HUP)
    server:wait(function() return server:log():find "reloaded" end)
    server:signal(TERM)
    server:wait(function() return not server:runs() end)
  end)

  it("is there again after kill -9, also on its unix socket", function()
    local path = folder .. "/again"
    server = Server.start("memory:// --listen unix:" .. path)
    server:signal(KILL)
    server:wait(function() return not server:runs() end)
    server = Server.start("memory:// --listen unix:" .. path)
    local _, out = Shell.run("redis-cli -s " .. path .. " ping")
    assert.equal("PONG\n", out)
  end)

  it("tells that it is ready: pidfile, descriptor, systemd", function()
    local socket = folder .. "/notify"
    os.execute(([[/usr/bin/python3 -c 'import socket
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind("%s"); s.settimeout(60)
open("%s/bound", "w").close()
open("%s/said", "wb").write(s.recv(99))' &]]):format(socket, folder, folder))
    local function exists(name) return io.open(folder .. "/" .. name) end
    for _ = 1, 600 do
      if exists "bound" then break end
      os.execute "sleep 0.05"
    end
    server = Server.start(("memory:// --ready-fd 7 --pidfile %s/pid 7>%s/fd"):format(
      folder, folder), "NOTIFY_SOCKET=" .. socket)
    -- Clients may be served before others are told.
    for name, text in pairs { pid = server.pid .. "\n", fd = "READY=1\n",
      said = "READY=1" } do
      server:wait(function()
        local file = exists(name)
        return file and file:read "*a" == text
      end)
    end
    server:signal(TERM)
    server:wait(function() return not server:runs() end)
    assert.is_nil(exists "pid")
  end)

  it("takes options from the environment", function()
    server = Server.start("", "WEIR_SERVE_STORE='memory:// null' "
      .. "WEIR_SERVE_READ_ONLY=yes WEIR_SERVE_MAXCLIENTS=77")
    assert.equal("77", server:info "maxclients")
    assert.matches("^READONLY", server:cli "set a b")
    assert.matches("^READONLY", server:cli "del a")
    assert.equal("\n", server:cli "get a")
    local _, _, err = Shell.run(
      "WEIR_SERVE_ERRORS=shrt build/weir serve memory:// --listen 127.0.0.1:0")
    assert.matches("WEIR_SERVE_ERRORS: 'shrt' is none of long, short", err, 1, true)
  end)

  it("says what it would ignore", function()
    local function refused(before, after)
      local code, _, err = Shell.run(("%s timeout 20 build/weir serve memory:// "
        .. "--listen 127.0.0.1:0 %s"):format(before, after))
      assert.equal(2, code)
      return err
    end
    assert.matches("WEIR_SERVE_MAXCLIENT: no such option; did you mean "
      .. "WEIR_SERVE_MAXCLIENTS?", refused("WEIR_SERVE_MAXCLIENT=7", ""), 1, true)
    assert.matches("it needs --processes 2 or more", refused("", "--announce here"), 1,
      true)
  end)

  it("leaves alone what Kubernetes names after a service", function()
    server = Server.start("", "WEIR_SERVE_STORE=memory:// "
      .. "WEIR_SERVE_PORT=tcp://10.0.0.1:6379 WEIR_SERVE_SERVICE_HOST=10.0.0.1 "
      .. "WEIR_SERVE_PORT_6379_TCP_PROTO=tcp")
    assert.equal("PONG\n", server:cli "ping")
  end)

  it("lists keys after a reload, and forgets the cursors of before", function()
    server = Server.start(policy [[return tier { memory {},
      memory { inline = false } }]])
    local lines = {}
    for i = 1, 100 do lines[i] = ("SET k%d x\n"):format(i) end
    Shell.run("redis-cli -p " .. server.port, table.concat(lines))
    local cursor = server:cli("scan 0 count 10"):match "%d+"
    assert.is_true(tonumber(cursor) > 0)
    assert.equal("OK\n", server:cli "weir reload")
    assert.matches("this cursor is forgotten", server:cli("scan " .. cursor), 1, true)
    local _, n = server:cli("--scan"):gsub("k%d+\n", "")
    assert.equal(100, n)
  end)

  it("lets many clients set one key of a slow store within a deadline", function()
    server = Server.start(policy [[return tier { memory {},
      fault { target = "memory", delay = "60ms" } } :coalesce() :deadline(3)]])
    local code, out = Shell.run(("redis-benchmark -p %d -t set -n 400 -c 100 -q 2>&1 "
      .. "</dev/null"):format(server.port))
    assert.equal(0, code, out)
    assert.is_nil(out:find "[Ee]rror", out)
    assert.equal("0", server:cli("info errorstats"):match "errorstat_set:count=(%d+)"
      or "0")
  end)

  it("puts no bytes of an earlier error into an error", function()
    server = Server.start(policy [[return require("weir").policy {
      run = function(_, req) error(req.keys[1], 0) end }]])
    local long = ("long"):rep(20)
    assert.equal("ERR " .. long .. "\n\n", server:cli("get " .. long))
    assert.equal("ERR short\n\n", server:cli "get short")
    -- More than there is room for.
    assert.matches("^ERR x+\n\n$", server:cli("get " .. ("x"):rep(5000)))
  end)

  it("gives params of policy files the values of --set", function()
    local path = policy [[local store = memory { capacity = param("ram", "1MiB") }
      return param("sealed", false) and store:readonly() or store]]
    server = Server.start(path)
    assert.equal("memory\n", server:cli "weir tree")
    server:close()
    server = Server.start(path .. " --set sealed=true --set ram=2MiB")
    assert.equal("readonly\n  memory\n", server:cli "weir tree")
    assert.matches('"capacity":2097152', server:cli "weir stats", 1, true)
    policy [[return param("sealed", false) and memory {} :readonly() :coalesce()]]
    assert.equal("OK\n", server:cli "weir reload")
    assert.equal("coalesce\n  readonly\n    memory\n", server:cli "weir tree")
    server:close()
    server = Server.cluster(2, path, "WEIR_SERVE_SET='sealed=true'")
    assert.matches("readonly", server:cli "weir tree", 1, true)
  end)

  it("says what is wrong with --set", function()
    local path = policy [[return memory { capacity = param("ram", "1MiB") }]]
    for words, said in pairs {
      ["--set rem=2MiB"] = '--set: no param is called "rem"; did you mean "ram"?',
      ["--set ram"] = "--set: 'ram' is not name=value",
      ["--set ram=much"] = 'param ram is a size such as 64MiB, not "much"',
    } do
      local build = os.getenv "WEIR_BUILD" or "build"
      local code, _, err = Shell.run(("%s/weir serve %s --listen 127.0.0.1:0 %s")
        :format(build, path, words), nil, 20)
      assert.is_true(code == 2 or code == 3, err)
      assert.matches(said, err, 1, true)
    end
  end)

  it("lets in who knows the password, and admins by another one", function()
    Shell.write(folder .. "/user", "sesame\n")
    Shell.write(folder .. "/admin", "root\n")
    server = Server.start(("memory:// --password-file %s/user --admin-password-file "
      .. "%s/admin"):format(folder, folder))
    assert.matches("^NOAUTH", server:cli "get a")
    assert.matches("WRONGPASS", server:cli("", "auth wrong\n"))
    assert.matches("NOAUTH", server:cli("", "hello 3\n"))
    local user, admin = "-a sesame --no-auth-warning ", "-a root --no-auth-warning "
    assert.equal("OK\n", server:cli(user .. "set a b"))
    assert.matches("^NOPERM", server:cli(user .. "weir tree"))
    assert.matches("^NOPERM", server:cli(user .. "config get save"))
    assert.equal("memory\n", server:cli(admin .. "weir tree"))
    assert.equal("b\n", server:cli(admin .. "get a"))
    assert.equal("b\n",
      server:cli "--user default --pass sesame --no-auth-warning get a")
    assert.matches("unauthenticated multibulk length",
      server:cli "mget 1 2 3 4 5 6 7 8 9 10 11 12", 1, true)
  end)

  it("refuses more clients than --maxclients", function()
    server = Server.start "memory:// --maxclients 3"
    local _, out = Shell.run(([[/usr/bin/python3 -c '
import socket
many = [socket.create_connection(("127.0.0.1", %d)) for i in range(3)]
for s in many:
    s.sendall(b"PING\r\n")
    assert s.recv(7) == b"+PONG\r\n"
print(socket.create_connection(("127.0.0.1", %d)).recv(99).decode())']]):format(
      server.port, server.port))
    assert.matches("ERR max number of clients reached", out)
    server:wait(function() return server:cli "ping" == "PONG\n" end)
  end)

  it("says once that no descriptors are left for new clients", function()
    server = Server.start("memory://", [[sh -c 'ulimit -n 24; exec "$@"' sh]])
    local function stay(n, gone)
      os.execute(([[/usr/bin/python3 -c 'if 1:
        import os, socket, time
        many = [socket.create_connection(("127.0.0.1", %d)) for i in range(%d)]
        while not os.path.exists("%s"): time.sleep(0.02)' &]]):format(server.port, n,
        folder .. "/" .. gone))
    end
    local words = "new clients must wait: the process has no file descriptors left; "
      .. "raise ulimit %-n"
    stay(40, "gone")
    server:wait(function() return server:log():find(words) end)
    os.execute "sleep 1.2" -- accepting is tried again meanwhile, in vain
    Shell.write(folder .. "/gone", "")
    server:wait(function() return server:cli "ping" == "PONG\n" end)
    assert.equal(1, select(2, server:log():gsub(words, "")))
    assert.is_true(tonumber(server:info "accepts_paused") > 1)
  end)

  it("counts rates while clients never pause", function()
    server = Server.start "memory://"
    os.execute(("redis-benchmark -p %d -t get -n 100000000 -c 20 -q >/dev/null 2>&1 &")
      :format(server.port))
    server:wait(function()
      return tonumber(server:info "instantaneous_ops_per_sec") > 100
    end)
  end)

  it("says which value or reply is too long for --max-memory-clients", function()
    local store = ("fs://%s/values"):format(folder)
    server = Server.start(store .. " --max-memory-clients 4MiB")
    for key, size in pairs { long = 5000000, a = 1500000, b = 1500000, c = 1500000 } do
      Shell.run(("head -c %d /dev/zero | %s/weir set %s %s"):format(size,
        os.getenv "WEIR_BUILD" or "build", store, key))
    end
    assert.matches("an argument is over max%-memory%-clients",
      server:cli("--pipe", "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5000000\r\n"))
    assert.matches("OOM a reply of 5000000 bytes is over max%-memory%-clients",
      server:cli "get long")
    assert.matches("OOM a reply of 4500000 bytes", server:cli "mget a b c")
    assert.equal(2 * 1500001, #server:cli "mget a b")
    assert.equal("1500000\n", server:cli "strlen a")
    assert.equal("0", server:info "evicted_clients")
  end)

  it("closes clients that are idle", function()
    server = Server.start "memory:// --idle-timeout 1s"
    local _, out = Shell.run(([[/usr/bin/python3 -c '
import socket
s = socket.create_connection(("127.0.0.1", %d), timeout=30)
print(s.recv(9))']]):format(server.port))
    assert.equal("b''\n", out)
    assert.equal("1", server:info "idle_clients_closed")
  end)

  it("keeps a client of fixed lengths in step with --errors short", function()
    local store = "'fault://?target=memory&rate=0.2' "
    server = Server.start(store .. "--errors short")
    assert.equal("errors in step 0\n", python(server, "short.py"))
    server:close()
    server = Server.start(store)
    assert.matches("out of step", python(server, "short.py"))
  end)

  it("lives when who reads --ready-fd has gone", function()
    server = Server.start("memory:// --ready-fd 7", [[/usr/bin/python3 -c 'if 1:
      import os, signal, sys
      reader, writer = os.pipe()
      os.close(reader)
      os.dup2(writer, 7)
      signal.signal(signal.SIGPIPE, signal.SIG_DFL)
      os.execvp(sys.argv[1], sys.argv[1:])' ]])
    assert.equal("PONG\n", server:cli "ping")
    assert.equal("PONG\n", server:cli "ping")
  end)

  it("says when a certificate has no key with it", function()
    Shell.run(([[cd %s && openssl req -x509 -newkey ec \
      -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out cert.pem -days 2 \
      -subj /CN=weir]]):format(folder))
    local cert = folder .. "/cert.pem"
    local build = os.getenv "WEIR_BUILD" or "build"
    local _, _, err = Shell.run(build .. "/weir serve memory:// --tls-cert " .. cert)
    assert.equal(("weir serve: --tls-key: cannot use %s: it has no private key\n")
      :format(cert), err)
  end)

  it("says what is wrong with its command line", function()
    local build = os.getenv "WEIR_BUILD" or "build"
    for words, said in pairs {
      [""] = "expected a store",
      ["memory:// --listen nowhere"] = "expected HOST:PORT",
      ["memory:// --listen 127.0.0.1:99999"] = "expected HOST:PORT",
      ["memory:// --listen unix:relative"] = "expected a full path",
      ["memory:// --errors loud"] = "'loud' is none of long, short",
      ["memory:// --listen :7911"] = "expected HOST:PORT",
      ["memory:// --password-file /no/such"] =
        "--password-file: cannot read the password: /no/such",
      ["memory:// --password-file /"] =
        "--password-file: cannot read the password: /: Is a directory",
      ["memory:// --admin-password-file /dev/null"] =
        "--admin-password-file: expected a password in the first line of /dev/null",
      ["memory:// --tls-ca /no/such"] = "--tls-ca needs --tls-cert",
      ["memory:// --tls-key /no/such"] = "--tls-key needs --tls-cert",
      ["memory:// --pidfile /no/such/pid"] =
        "--pidfile: cannot write /no/such/pid: No such file or directory\n",
      ["memory:// --pidfile / --processes 2"] = "--pidfile: cannot write /: Is a dir",
      ["memory:// --ready-fd 77"] = "--ready-fd: expected an open descriptor, and 77",
      ["memory:// --ready-fd 77 --processes 2"] = "and 77 is not open",
      ["memory:// --max-value 0"] = "--max-value: '0' is less than the 64 bytes",
      ["memory:// --tls-cert /no/such"] =
        "--tls-cert: cannot use /no/such: No such file",
      ["memory:// --tls-cert /dev/null"] = "/dev/null: no start line",
      ["memry://"] = "memory",
      ["memory:// --maxclients x"] = "--maxclients: 'x' is no whole number over 0",
    } do
      local code, _, err = Shell.run(build .. "/weir serve " .. words)
      assert.is_true(code == 2 or code == 3, words)
      assert.matches(said, err, 1, true)
    end
  end)
end)
