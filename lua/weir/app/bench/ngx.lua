-- weir bench ngx [PART OF A CASE'S NAME [ROUNDS]]
--
-- The cost of a request in nginx, beside the same request by nginx' own means:
-- lua_shared_dict, and lua-resty-redis with its pool and its pipeline.
-- Starts an nginx with one worker, a redis-server and wrk; both sides of a case
-- take turns. Values are closed once they are sent, as a server should: the next
-- one then finds their memory warm instead of having it fetched from the kernel.
local Nginx = require "weir.app.bench.nginx"
local Redis = require "weir.app.bench.redis_server"
local Wrk = require "weir.app.bench.wrk"
local median = require "weir.app.bench.median"

local SECONDS = 1
local rounds = 3

local HTTP = [[
  lua_shared_dict values 64m;
  init_worker_by_lua_block {
    weir = require "weir"
    redis = require "nginx.redis"
    here = weir.memory { capacity = "64MiB" }
    far = weir.redis { host = "127.0.0.1", port = %port% }
    keys = {}
    for i = 1, 32 do keys[i] = "batch:" .. i end
    here:set("1k", ("x"):rep(1024))
    ngx.shared.values:set("1k", ("x"):rep(1024))
  }
]]

-- A location per side. Both answer with the value, or with the batch's bytes.
local SERVER = [[
  location /plain { return 200; }
  location /fill { content_by_lua_block {
    for name, size in pairs { ["1k"] = 2 ^ 10, ["64k"] = 2 ^ 16, ["1m"] = 2 ^ 20 } do
      assert(far:set(name, ("x"):rep(size)))
    end
    for i = 1, #keys do assert(far:set(keys[i], ("x"):rep(1024))) end
    ngx.print "filled"
  } }
  location /weir/memory { content_by_lua_block {
    ngx.print(tostring(here:get "1k"))
  } }
  location /nginx/memory { content_by_lua_block {
    ngx.print(ngx.shared.values:get "1k")
  } }
  location /weir/get { content_by_lua_block {
    local value, err = far:get(ngx.var.arg_key)
    if not value then ngx.log(ngx.ERR, tostring(err)) return ngx.exit(500) end
    ngx.print(value:string())
    value:close()
  } }
  location /nginx/get { content_by_lua_block {
    local client = redis:new()
    local ok, err = client:connect("127.0.0.1", %port%)
    local value
    if ok then value, err = client:get(ngx.var.arg_key) end
    if not value then ngx.log(ngx.ERR, tostring(err)) return ngx.exit(500) end
    client:set_keepalive(10000, 128)
    ngx.print(value)
  } }
  location /weir/batch { content_by_lua_block {
    local reply = far:get_many(keys)
    if not reply:all "good" then return ngx.exit(500) end
    for i = 1, #reply do ngx.print(reply:string(i)) end
    reply:close()
  } }
  location /nginx/batch { content_by_lua_block {
    local client = redis:new()
    local ok, err = client:connect("127.0.0.1", %port%)
    if not ok then ngx.log(ngx.ERR, err) return ngx.exit(500) end
    client:init_pipeline(#keys)
    for i = 1, #keys do client:get(keys[i]) end
    local values, why = client:commit_pipeline()
    if not values then ngx.log(ngx.ERR, why) return ngx.exit(500) end
    client:set_keepalive(10000, 128)
    for i = 1, #values do ngx.print(values[i]) end
  } }
]]


local function compare(bench, server, case)
  for _, connections in ipairs { 1, 64 } do
    Wrk.compare(bench, server, case, connections, rounds)
  end
end


local TIMES = { us = 1e3, ms = 1e6, s = 1e9 }

-- Nanoseconds of the 99th percentile of an unrelated location, while 64 connections
-- get values of 1 MiB.
local function disturbed(server, path)
  local load = assert(io.popen(("wrk -t1 -c64 -d%d '%s%s' 2>&1"):format(SECONDS + 2,
    server.url, path)))
  os.execute "sleep 0.5"
  local _, text = Wrk.run(server, "/plain", 1, "--latency")
  load:read "*a"
  load:close()
  local figure, unit = text:match "99%%%s*([%d.]+)(%l+)"
  return tonumber(figure) * TIMES[unit]
end


local function others(bench, server)
  local ours, theirs = {}, {}
  for i = 1, rounds do
    theirs[i] = disturbed(server, "/nginx/get?key=1m")
    ours[i] = disturbed(server, "/weir/get?key=1m")
  end
  bench:row {
    case = "p99 of another location while 64 get 1 MiB", figure = median(ours),
    unit = "ns", reference = "lua-resty-redis", of = median(theirs),
    target = "<= 0.5x",
  }
end


local CASES = {
  { name = "memory, get 1 KiB", path = "/memory", reference = "lua_shared_dict",
    target = ">= 0.8x" },
  { name = "redis, get 1 KiB", path = "/get?key=1k", reference = "lua-resty-redis",
    target = ">= 0.8x" },
  { name = "redis, get 64 KiB", path = "/get?key=64k", reference = "lua-resty-redis",
    target = ">= 1.2x" },
  { name = "redis, get 1 MiB", path = "/get?key=1m", reference = "lua-resty-redis",
    target = ">= 1.5x" },
  { name = "redis, get 32 x 1 KiB", path = "/batch", reference = "its pipeline",
    target = ">= 1.2x" },
  { name = "p99 of another location", run = others },
}


local function run_all(bench, server, part)
  for _, case in ipairs(CASES) do
    if case.name:find(part or "", 1, true) then
      (case.run or compare)(bench, server, case)
    end
  end
end


local function start_nginx(redis)
  local function with_port(text) return (text:gsub("%%port%%", redis.port)) end
  local server = Nginx.start {
    level = "error", http = with_port(HTTP), server = with_port(SERVER),
  }
  local pipe = assert(io.popen("curl -s -m 20 " .. server.url .. "/fill"))
  local answer = pipe:read "*a"
  pipe:close()
  if answer == "filled" then return server end
  local log = server:log()
  server:stop()
  error("bench ngx: the values cannot be stored: " .. log, 0)
end


return function(bench, arguments)
  rounds = tonumber(arguments[2]) or rounds
  local redis = assert(Redis.start())
  local good, why = pcall(function()
    local server = start_nginx(redis)
    local fine, err = pcall(run_all, bench, server, arguments[1])
    server:stop()
    if not fine then error(err, 0) end
  end)
  redis:stop()
  if not good then error(why, 0) end
end
