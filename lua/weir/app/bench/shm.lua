-- weir bench shm [gets|sets|processes|entry|nginx]...
--
-- The C program (examples/bench/shm.c), and shm beside lua_shared_dict in an nginx with
-- two workers: random ones of 1,000 keys, 64 connections of wrk, by turns. Each key has
-- a value of its own, since Lua makes no string for bytes that it has one of. The rows
-- "without any store" say how far any store could get: nginx answers a get with a Lua
-- string that it has already, and a set with nothing done. Then what an entry takes in
-- lua_shared_dict, to compare with `entry`.
local Nginx = require "weir.app.bench.nginx"
local Wrk = require "weir.app.bench.wrk"

local ROUNDS = 3

local HTTP = [[
  lua_shared_dict values 128m;
  lua_shared_dict entries 16m;
  init_worker_by_lua_block {
    local weir = require "weir"
    ours = weir.shm { path = "%path%", capacity = "128MiB" }
    theirs = ngx.shared.values
    values = { small = ("x"):rep(1024), large = ("x"):rep(65536) }
    for i = 1, 1000 do
      for name, value in pairs(values) do
        local own = ("%08d"):format(i) .. value:sub(9)
        assert(ours:set(name .. i, own))
        assert(theirs:set(name .. i, own))
      end
    end
  }
]]

local SERVER = [[
  location /weir/get { content_by_lua_block {
    ngx.print(ours:get_string(ngx.var.arg_size .. math.random(1000)))
  } }
  location /nginx/get { content_by_lua_block {
    ngx.print(theirs:get(ngx.var.arg_size .. math.random(1000)))
  } }
  location /weir/none/get { content_by_lua_block {
    ngx.print(values[ngx.var.arg_size])
  } }
  location /weir/set { content_by_lua_block {
    local size = ngx.var.arg_size
    assert(ours:set(size .. math.random(1000), values[size]))
    ngx.print "stored"
  } }
  location /nginx/set { content_by_lua_block {
    local size = ngx.var.arg_size
    assert(theirs:set(size .. math.random(1000), values[size]))
    ngx.print "stored"
  } }
  location /weir/none/set { content_by_lua_block {
    local size = ngx.var.arg_size
    assert(values[size], size .. math.random(1000))
    ngx.print "stored"
  } }
  location /fill { content_by_lua_block {
    local entries, n = ngx.shared.entries, 0
    local value = ("x"):rep(tonumber(ngx.var.arg_size))
    entries:flush_all()
    entries:flush_expired()
    while entries:safe_set(("%08d"):format(n), value) do n = n + 1 end
    ngx.print(n)
  } }
]]

local DICT = 16 * 1024 * 1024
local KEY = 8

local GET, SET = "/get?size=", "/set?size="

local CASES = {
  { name = "nginx, get 1 KiB", path = GET .. "small", target = ">= 1x" },
  { name = "nginx, get 1 KiB without any store", path = GET .. "small", none = true },
  { name = "nginx, set 1 KiB", path = SET .. "small", target = ">= 1x" },
  { name = "nginx, set 1 KiB without any store", path = SET .. "small", none = true },
  { name = "nginx, get 64 KiB", path = GET .. "large", target = ">= 1.5x" },
  { name = "nginx, get 64 KiB without any store", path = GET .. "large", none = true },
  { name = "nginx, set 64 KiB", path = SET .. "large", target = ">= 1.5x" },
  { name = "nginx, set 64 KiB without any store", path = SET .. "large", none = true },
}


-- The size of a full lua_shared_dict by its entries, less key and value.
local function overhead(bench, server, size)
  local pipe = assert(io.popen(("curl -s -m 20 '%s/fill?size=%d'"):format(server.url,
    size)))
  local entries = tonumber(pipe:read "*a")
  pipe:close()
  if not entries then error("bench: /fill fails: " .. server:log():sub(-500), 0) end
  bench:row {
    case = ("lua_shared_dict, overhead of an entry of %d B"):format(size), unit = "B",
    figure = DICT / entries - size - KEY,
  }
end


local function in_nginx(bench)
  local path = os.tmpname():gsub("^/tmp/", "/dev/shm/weir-bench-")
  local server = Nginx.start {
    level = "error", workers = 2, server = SERVER,
    http = (HTTP:gsub("%%path%%", path)),
  }
  local good, err = pcall(function()
    for _, case in ipairs(CASES) do
      case.reference = "lua_shared_dict"
      Wrk.compare(bench, server, case, 64, ROUNDS)
    end
    for _, size in ipairs { 64, 1000, 65536 } do overhead(bench, server, size) end
  end)
  server:stop()
  os.remove(path)
  if not good then error(err, 0) end
end


return function(bench, arguments)
  local parts, nginx = {}, #arguments == 0
  for _, part in ipairs(arguments) do
    if part == "nginx" then nginx = true else parts[#parts + 1] = part end
  end
  if #parts > 0 or #arguments == 0 then bench:program("shm", unpack(parts)) end
  if nginx then in_nginx(bench) end
end
