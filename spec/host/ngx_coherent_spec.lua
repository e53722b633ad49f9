-- Four workers of nginx, each with memory of its own over one Redis that another client
-- writes to. After a write is acknowledged, no worker serves an older value for longer
-- than a short delay, which is measured (WEIR_SOAK: for that many seconds).
local Gateway = require "host.gateway"
local Nginx = require "weir.app.bench.nginx"
local Server = require "redis_server"
local http = require "host.http"
local served = require "host.served"
local weir = require "weir"

local SOAK = tonumber(os.getenv "WEIR_SOAK" or 0)
local SECONDS = SOAK > 0 and SOAK or 1
local WORKERS = 4

-- Each worker notes when it last served each value that was not marked stale.
local INIT = [[
  tree = weir.tier { weir.memory {}, weir.open("%s", { tracking = true,
    prefix = "app:", backoff = 0.01, max_backoff = 0.05 }), coherent = true }
  seen = {}
  clock = require("weir.host").now
]]

local GET = [[
  local reply = tree:get_many { "k" }
  local value = reply:string(1)
  if value and not (reply.stale and reply.stale[1]) then
    seen[tonumber(value)] = clock()
  end
  return value
]]

local SEEN = [[
  local parts = { tostring(ngx.worker.pid()) }
  for value, time in pairs(seen) do
    parts[#parts + 1] = ("%d=%.9f"):format(value, time)
  end
  return table.concat(parts, " ")
]]

local STATS = "return tree:tally()[ngx.var.arg_name]"


describe("four workers over one redis #unsanitized", function()
  local redis, server, load

  setup(function()
    redis = Server.start()
    server = served.start { workers = WORKERS, listen = "reuseport",
      init = INIT:format(redis.url),
      server = table.concat { served.location("/k", GET),
        served.location("/seen", SEEN), served.location("/stats", STATS) } }
  end)

  teardown(function()
    served.stop(server)
    redis:close()
  end)

  -- What every worker has noted: { value = time } by pid.
  local function notes()
    local by_pid, n = {}, 0
    assert(Nginx.eventually(function()
      local _, text = http.get(server.url .. "/seen")
      local pid = tonumber(text:match "^%d+")
      if not by_pid[pid] then n = n + 1 end
      by_pid[pid] = {}
      for value, time in text:gmatch "(%d+)=([%d.]+)" do
        by_pid[pid][tonumber(value)] = tonumber(time)
      end
      return n == WORKERS
    end))
    return by_pid
  end

  -- Writes first, first + 1, ... as another client. Returns when each was acknowledged,
  -- and the last one.
  local function write(first, disturb)
    local acknowledged, value = {}, first
    local now = require("weir.host").now
    weir.run(function()
      local other = weir.open(redis.url, { prefix = "app:", timeout = 5 })
      local by = now() + SECONDS
      while now() < by do
        if other:set("k", tostring(value)) then acknowledged[value] = now() end
        weir.sleep(0.005)
        if disturb and value % 50 == 0 then disturb() end
        value = value + 1
      end
      assert(other:set("k", tostring(value)))
      acknowledged[value] = now()
      other:close()
    end)
    return acknowledged, value
  end

  -- How long each worker served each value after the next one was acknowledged.
  local function delays(acknowledged)
    local list = {}
    for _, seen in pairs(notes()) do
      for value, time in pairs(seen) do
        local next_one = acknowledged[value + 1]
        if next_one then list[#list + 1] = math.max(time - next_one, 0) end
      end
    end
    table.sort(list)
    return list
  end

  local function under_load(first, disturb)
    load = io.popen(("wrk -t1 -c16 -d%d %s/k 2>&1"):format(SECONDS + 1, server.url))
    local acknowledged, last = write(first, disturb)
    load:read "*a"
    load:close()
    local list = delays(acknowledged)
    assert.is_true(#list > 50)
    local function at(share) return list[math.ceil(#list * share)] * 1e3 end
    if SOAK > 0 then
      print(("\n%d values served by 4 workers; last old one after the next write: "
        .. "p50 %.2f, p99 %.2f, most %.2f ms"):format(#list, at(0.5), at(0.99), at(1)))
    end
    return at, last
  end

  it("serve an old value only for a moment after a write", function()
    local at, last = under_load(1)
    -- 5 ms on a machine that is not busy.
    assert.is_true(at(0.99) < 500, at(0.99) .. " ms")
    assert(Nginx.eventually(function()
      local _, text = http.get(server.url .. "/k")
      return text == tostring(last)
    end))
    for _ = 1, 20 do
      local _, text = http.get(server.url .. "/k")
      assert.equal(tostring(last), text)
    end
  end)

  it("do so although the tracking connections are killed", function()
    local at, last = under_load(1000000, function()
      redis:command "client kill type normal skipme yes"
    end)
    assert.is_true(at(0.99) < 500, at(0.99) .. " ms")
    assert(Nginx.eventually(function()
      for _ = 1, 20 do
        local _, text = http.get(server.url .. "/k")
        if text ~= tostring(last) then return false end
      end
      return true
    end))
    local _, losses = http.get(server.url .. "/stats?name=sight_losses")
    assert.is_true(tonumber(losses) > 0)
  end)
end)


describe("the gateway over redis #unsanitized", function()
  local redis, gateway

  setup(function()
    redis = Server.start()
    gateway = Gateway.start(nil, "WEIR_REDIS=" .. redis.url)
  end)

  teardown(function()
    gateway:stop()
    redis:close()
  end)

  local function all_answer(expected)
    return Nginx.eventually(function()
      for _ = 1, 10 do
        local _, text = gateway:get "/kv/a"
        if text ~= expected then return false end
      end
      return true
    end)
  end

  it("has a worker on each core, and none keeps an old copy", function()
    assert.matches("worker_processes auto;", gateway:slurp "nginx.conf")
    for i = 1, 3 do
      assert.equal(204, (gateway:get("/kv/a", "-X PUT -d ours" .. i)))
      assert.is_true(all_answer("ours" .. i))
      redis:command("set kv:a theirs" .. i)
      assert.is_true(all_answer("theirs" .. i))
    end
    local _, metrics = gateway:get "/metrics"
    assert.matches('weir_tier_sight{node="coalesce.tier",worker="0"} 1', metrics, 1,
      true)
    assert.matches("weir_tier_invalidations_total", metrics, 1, true)
  end)
end)
