-- Four workers of nginx, each with memory of its own over one Redis that another client
-- writes to. After a write is acknowledged, no worker serves an older value for longer
-- than a short delay, which `weir bench coherent` measures.
local Gateway = require "host.gateway"
local Nginx = require "weir.app.bench.nginx"
local Server = require "redis_server"
local Workers = require "weir.app.bench.coherent_workers"
local alarm = require "host.alarm"
local weir = require "weir"

local SECONDS = tonumber(os.getenv "WEIR_SOAK") or 1


describe("four workers over one redis #unsanitized", function()
  local redis, workers

  setup(function()
    redis = Server.start()
    workers = Workers.start(redis.url, 4)
  end)

  teardown(function()
    local log = workers:stop()
    redis:close()
    assert(not alarm(log), alarm(log))
  end)

  -- The delay that 99 of 100 values keep, in seconds.
  local function p99(disturb)
    local delays
    weir.run(function() delays = workers:measure(SECONDS, 16, disturb) end)
    assert.is_true(#delays > 20)
    return delays[math.ceil(#delays * 0.99)]
  end

  local function all_serve(value)
    return Nginx.eventually(function()
      for _ = 1, 20 do
        if workers:get "/k" ~= value then return false end
      end
      return true
    end)
  end

  it("serve an old value only for a moment after a write", function()
    local delay = p99() -- less than 5 ms on a machine that is not busy
    assert.is_true(delay < 0.5, delay .. " s")
    assert.is_true(all_serve(tostring(workers.last)))
  end)

  it("do so although the tracking connections are killed", function()
    local delay = p99(function() redis:command "client kill type normal skipme yes" end)
    assert.is_true(delay < 0.5, delay .. " s")
    assert.is_true(all_serve(tostring(workers.last)))
    assert.is_true(tonumber(workers:get "/stats?name=sight_losses") > 0)
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
    -- A worker publishes its counts once a second.
    local metrics
    assert(Nginx.eventually(function()
      metrics = select(2, gateway:get "/metrics")
      return metrics:find('weir_tier_sight{node="coalesce.tier",worker="0"} 1', 1, true)
    end), metrics)
    assert.matches("weir_tier_invalidations_total", metrics, 1, true)
  end)
end)
