-- examples/nginx: what its README shows, and what it promises beyond.
local cjson = require "cjson"
local Gateway = require "host.gateway"
local Nginx = require "weir.app.bench.nginx"
local shell = require "shell"

local gateway, folder, url, port, workers


local function slurp(path)
  local file = assert(io.open(path))
  local text = file:read "*a"
  file:close()
  return text
end


local function get(path, options)
  return gateway:get(path, options)
end


local function write_policy(text)
  shell.write(folder .. "/kv.lua", text)
  gateway:signal "HUP"
end


-- Waits until all workers answer with that status: the old ones have left.
local function serves(status)
  return Nginx.eventually(function()
    return (get "/kv/a") == status and gateway:workers() == workers
  end)
end


-- The commands of the README's transcript, each with what it shows.
local function transcript()
  local block = slurp "examples/nginx/README.md":match "```console\n(.-)```"
  local commands = {}
  for line in block:gmatch "[^\n]+" do
    local command = line:match "^%$ (.*)"
    if command then
      commands[#commands + 1] = { line = command, shows = "" }
    else
      local last = commands[#commands]
      last.shows = last.shows .. line .. "\n"
    end
  end
  return commands
end


-- The lines of a text; those in JSON as data, since their fields have no order.
local function lines_of(text)
  local lines = {}
  for line in text:gmatch "[^\r\n]+" do
    lines[#lines + 1] = line:match "^{" and cjson.decode(line) or line
  end
  return lines
end


describe("the gateway #unsanitized", function()
  setup(function()
    gateway = Gateway.start()
    folder, url, port = gateway.folder, gateway.url, gateway.port
    workers = gateway:workers()
  end)

  teardown(function() gateway:stop() end)

  it("answers what its README shows", function()
    for _, command in ipairs(transcript()) do
      local line = command.line:gsub("127%.0%.0%.1:8080", "127.0.0.1:" .. port)
      local _, out = shell.run(line)
      local text = command.shows:gsub("build/gateway", folder)
      text = text:gsub("gateway%.kECCdg", gateway:mapping():match "weir%.(.*)")
      local shows = lines_of(text)
      -- The other workers' counts come within a second or so.
      if line:find("/metrics", 1, true) then
        assert.is_true(Nginx.eventually(function()
          out = select(2, shell.run(line))
          return pcall(assert.same, shows, lines_of(out))
        end))
      end
      assert.same(shows, lines_of(out))
    end
  end)

  it("takes 16 MiB and gives them back, while others are served", function()
    local big = folder .. "/big"
    shell.run(("head -c %d /dev/urandom > %s"):format(16 * 2 ^ 20, big))
    assert.equal(204, (get("/kv/big", "-T " .. big)))
    local slow = io.popen(("curl -s -m 60 --limit-rate 8M %s/kv/big | cmp - %s && "
      .. "echo same"):format(url, big))
    for _ = 1, 20 do assert.equal(404, (get "/kv/none")) end
    assert.equal("same\n", slow:read "*a")
    slow:close()
    assert.equal(204, (get("/kv/big", "-X DELETE")))
  end)

  it("refuses more than 16 MiB, in JSON", function()
    shell.run(("head -c %d /dev/zero > %s/toobig"):format(16 * 2 ^ 20 + 1, folder))
    local status, body = get("/kv/toobig", "-T " .. folder .. "/toobig")
    assert.equal(413, status)
    assert.matches('"error":"toobig"', body)
  end)

  it("keeps keys of any bytes apart", function()
    get("/kv/a%2Fb%20c+d", "-X PUT -d one")
    get("/kv/a%2Fb%20c%2Bd", "-X PUT -d two")
    get("/kv/a%2Fb%20c%20d", "-X PUT -d three")
    assert.same({ 200, "two" }, { get "/kv/a/b%20c+d" })
    assert.same({ 200, "three" }, { get "/kv/a/b%20c%20d" })
  end)

  it("refuses a path that leads to a key by a detour", function()
    for _, path in ipairs { "//kv/a", "/%6Bv/a", "/x/../kv/a", "/./explain/a" } do
      local status, body = get(path, "--path-as-is")
      assert.equal(400, status)
      assert.matches('"error":"invalid"', body)
    end
  end)

  it("answers in JSON what nginx refuses by itself", function()
    for path, expected in pairs {
      ["/kv/a%00b"] = 400, ["/kv/..%2Fx"] = 404, ["/nowhere"] = 404,
    } do
      local status, body = get(path, "--path-as-is")
      assert.same({ path, expected }, { path, status })
      assert.equal("invalid", cjson.decode(body).error)
    end
  end)

  it("answers HEAD for no such key with 404", function()
    assert.equal(404, (get("/kv/none", "-I")))
  end)

  it("stores an empty value", function()
    assert.equal(204, (get("/kv/empty", "-X PUT -H 'Content-Length: 0'")))
    assert.same({ 200, "" }, { get "/kv/empty" })
  end)

  it("tells caches a whole number of seconds", function()
    assert.equal(204, (get("/kv/ever?ttl=1e300", "-X PUT -d x")))
    local _, head = get("/kv/ever", "-I")
    assert.matches("\ncache%-control: max%-age=2147483647\r", head)
    assert.equal(204, (get("/kv/soon?ttl=59.5", "-X PUT -d x")))
    _, head = get("/kv/soon", "-I")
    assert.matches("\ncache%-control: max%-age=5[0-9]\r", head)
  end)

  it("says what is wrong with a request", function()
    for path, options in pairs {
      ["/kv/"] = "", ["/kv/a?ttl=never"] = "-X PUT -d x", ["/kv/_batch"] = "-d '{}'",
      ["/explain/a?op=gett"] = "",
    } do
      local status, body = get(path, options)
      assert.equal(400, status)
      assert.matches('"error":"invalid"', body)
    end
    local _, text = get "/explain/a?op=delte"
    assert.equal("explain takes an op, one of get, set, exists, delete, stat, touch, "
      .. "scan, add, replace, incr, append, cas, gat, take, not delte; "
      .. 'did you mean "delete"?', cjson.decode(text).message)
    assert.equal(405, (get("/kv/a", "-X POST -d x")))
    assert.equal(405, (get "/kv/_batch"))
    assert.equal(405, (get("/kv/_batch", "-X DELETE")))
    assert.equal(405, (get("/kv/a", "-X PUT-")))
    assert.equal(411, (get("/kv/a", "-X PUT -H 'Transfer-Encoding: chunked' -d x")))
  end)

  it("serves another policy after HUP, and the old one if it is wrong", function()
    write_policy [[return fail "busy"]]
    assert.is_true(serves(429))
    write_policy [[return fial "busy"]]
    assert.is_true(Nginx.eventually(function()
      return slurp(folder .. "/error.log"):match "did you mean \"fail\""
    end))
    local status, body = get "/kv/a"
    assert.equal(429, status)
    assert.matches('"retryable":true', body)
  end)

  for wrong, message in pairs {
    ['memory { capasity = "1MiB" }'] = "did you mean capacity",
    ['memory { capacity = "1 MeB" }'] = "option capacity: expected a size",
    ['fs { sync = "data" }'] = "option path is missing",
    ["memory { workers = {} }"] = "option workers: expected a whole number",
    ['memory "1MiB"'] = "takes a table of options",
  } do
    it("stays with the old policy after HUP when it is " .. wrong, function()
      write_policy [[return fail "busy"]]
      assert.is_true(serves(429))
      write_policy("local store = " .. wrong .. "\nreturn store")
      assert.is_true(Nginx.eventually(function()
        return slurp(folder .. "/error.log"):match("kv.lua:1: [^\n]*" .. message)
      end))
      assert.equal(429, (get "/kv/a"))
    end)
  end

  it("refuses a policy that does not end, and goes on with the one before", function()
    write_policy [[return fail "busy"]]
    assert.is_true(serves(429))
    write_policy "\nwhile true do end"
    assert.is_true(Nginx.eventually(function()
      return slurp(folder .. "/error.log"):match "kv.lua:2: loading did not end"
    end))
    assert.equal(429, (get "/kv/a"))
    write_policy [[return fail "timeout"]]
    assert.is_true(serves(504))
  end)

  it("opens a store by URL in the worker, and checks it in the master", function()
    write_policy [[return open("memory://?capacity=1MiB"):readonly()]]
    assert.is_true(serves(404))
    write_policy [[return open "memory://?capasity=1MiB"]]
    assert.is_true(Nginx.eventually(function()
      local log = slurp(folder .. "/error.log")
      return log:match "kv.lua:1: [^\n]*did you mean capacity"
    end))
    assert.is_true(serves(404))
  end)

  it("serves what was checked, also from a worker that starts after an edit", function()
    write_policy [[return fail "busy"]]
    assert.is_true(serves(429))
    shell.write(folder .. "/kv.lua", "half a line")
    local _, before = gateway:workers()
    shell.run("kill " .. before)
    assert.is_true(Nginx.eventually(function()
      local n, now = gateway:workers()
      for pid in now:gmatch "%d+" do
        if before:find("%f[%d]" .. pid .. "%f[%D]") then return false end
      end
      return n == workers
    end))
    assert.equal(429, (get "/kv/a"))
  end)

  it("answers 503 when only the worker sees that the policy cannot work", function()
    write_policy [[return fs { path = "/proc/none" }]]
    assert.is_true(Nginx.eventually(function()
      local status, body = get("/kv/a", "-X PUT -d x")
      return status == 503 and body:match '"error":"unavailable"'
    end))
    assert.matches("/proc/none", slurp(folder .. "/error.log"))
  end)

  for code, status in pairs {
    busy = 429, unavailable = 503, skipped = 503, timeout = 504, nospace = 507,
    failed = 502, denied = 403,
  } do
    it(("answers %d for %s"):format(status, code), function()
      write_policy(("return fail %q"):format(code))
      assert.is_true(Nginx.eventually(function()
        local got, body = get "/kv/a"
        return got == status and body:match('"error":"' .. code .. '"')
      end))
    end)
  end
end)
