-- examples/nginx/dict.lua: what lua_shared_dict is used for, in an nginx with the lines
-- of its README.
local Nginx = require "weir.app.bench.nginx"
local Ports = require "weir.app.bench.ports"
local alarm = require "host.alarm"
local http = require "host.http"
local shell = require "shell"

local WORKERS, MOST = 4, 100
local NAME = "spec." .. Ports.free()


local function replace(text, old, new)
  local from, to = text:find(old, 1, true)
  assert(from, old)
  return text:sub(1, from - 1) .. new .. text:sub(to + 1)
end


-- The README's lines, for a mapping and a port of the spec's own.
local function lines(port)
  local file = assert(io.open "examples/nginx/README.md")
  local text = file:read "*a":match "\n```nginx\n(.-)```"
  file:close()
  local _, here = shell.run "pwd"
  text = replace(text, 'dict = require "dict"', ([[
    package.path = %q .. package.path
    dict = require "dict"]]):format(here:gsub("\n", "") .. "/examples/nginx/?.lua;"))
  text = replace(text, '"site"', ("%q"):format(NAME))
  text = replace(text, "127.0.0.1:8081;", ("127.0.0.1:%d reuseport;"):format(port))
  return replace(text, "location /session/ {", [[
    location /pid { content_by_lua_block { ngx.print(ngx.worker.pid()) } }
    location /few {
      access_by_lua_block { dict.limit(1, 1) }
      content_by_lua_block { ngx.print "in" }
    }
    location /session/ {]])
end


describe("shm instead of lua_shared_dict #unsanitized", function()
  local server, url

  setup(function()
    local port = Ports.free()
    server = Nginx.start { workers = WORKERS, http = lines(port) }
    url = "http://127.0.0.1:" .. port
  end)

  teardown(function()
    server:stop()
    os.remove("/dev/shm/weir." .. NAME)
  end)

  local function get(path, options) return http.get(url .. path, options) end

  local function jobs()
    return select(2, server:log():gsub("the report of this hour", ""))
  end

  local function forget_requests()
    local code = shell.run(("%s/weir rm shm://%s requests:127.0.0.1"):format(
      os.getenv "WEIR_BUILD" or "build", NAME))
    assert.is_true(code == 0 or code == 1) -- 1: it had expired
  end

  -- Asks until each worker has answered.
  local function ask_all(path, expected)
    local seen, n = {}, 0
    assert(Nginx.eventually(function()
      local _, pid = get "/pid"
      if not seen[pid] then seen[pid], n = true, n + 1 end
      return n == WORKERS
    end))
    for _ = 1, 4 * WORKERS do assert.same(expected, { get(path) }) end
  end

  it("has one session for all workers, which a reload leaves", function()
    assert.equal(404, (get "/session/ann"))
    assert.equal(200, (get("/session/ann", "-X PUT -d cart=3")))
    ask_all("/session/ann", { 200, "cart=3" })
    local before = server:workers()
    server:signal "HUP"
    assert.is_true(Nginx.eventually(function()
      local now = server:workers()
      return #now == WORKERS and now[1] ~= before[1]
    end))
    forget_requests()
    ask_all("/session/ann", { 200, "cart=3" })
    assert.equal(200, (get("/session/ann", "-X DELETE")))
    assert.equal(404, (get "/session/ann"))
  end)

  it("does a job in one worker, also after a reload", function()
    assert.is_true(Nginx.eventually(function() return jobs() > 0 end))
    assert.equal(1, jobs())
  end)

  it("lets exactly so many requests of an address pass, whoever serves them", function()
    forget_requests()
    local _, out = shell.run(([[
      seq 1 150 | xargs -P 16 -n 5 sh -c 'for i in "$@"; do
        curl -s -o /dev/null -w "%%{http_code}\n" %s; done' sh]])
      :format(url .. "/session/none"))
    local counts = { ["404"] = 0, ["429"] = 0 }
    for status in out:gmatch "%d+" do counts[status] = counts[status] + 1 end
    assert.same({ ["404"] = MOST, ["429"] = 50 }, counts)
  end)

  it("lets an address in again when its time is over", function()
    forget_requests()
    assert.is_true(Nginx.eventually(function() return (get "/few") == 429 end))
    assert.is_true(Nginx.eventually(function() return (get "/few") == 200 end))
  end)

  it("counts no crash", function()
    assert.is_nil(alarm(server:log()))
  end)
end)
