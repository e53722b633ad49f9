-- Programs in nginx that open and close stores while they serve.
local Nginx = require "weir.app.bench.nginx"
local Server = require "redis_server"
local http = require "host.http"
local hung = require "hung"
local served = require "host.served"

local location = served.location

-- A request for each of which a store is opened, as resty libraries want it.
local OPENS = [[
  local weir = require "weir"
  local store = weir.open(%q)
  assert(store:set("k", "v"))
  return tostring(store:get "k")
]]

local LEAVES = [[
  local store = require("weir").open(%q)
  return (store:get("k", { timeout = 0.01 }))
]]

-- The longest time in which no other task ran, while a store over a server that hangs
-- is closed.
local CLOSES = [[
  local weir = require "weir"
  local store = weir.open(%q, { connect_timeout = "60s" })
  local closed, last, longest = false, weir.now(), 0
  local ticker = weir.spawn(function()
    while not closed do
      weir.sleep(0.001)
      local now = weir.now()
      longest, last = math.max(longest, now - last), now
    end
  end)
  store:get("k", { timeout = 0.1 })
  assert(store:close())
  closed = true
  weir.join(ticker)
  return longest
]]


describe("nginx #unsanitized", function()
  local redis, server, silent

  setup(function()
    redis = Server.start()
    silent = hung.listen()
    server = served.start { level = "error", server = table.concat {
      location("/opens", OPENS:format(redis.url)),
      location("/closes", CLOSES:format("redis://" .. silent.address)),
      location("/leaves", LEAVES:format("redis://" .. silent.address)),
    } }
  end)

  teardown(function()
    served.stop(server)
    redis:close()
    silent:close()
  end)

  local function count(folder)
    return served.count(("ls /proc/%d/%s"):format(server:workers()[1], folder))
  end

  it("keeps threads and fds few when each request opens a store", function()
    local worker = server:workers()[1]
    for i = 1, 300 do
      assert.same({ 200, "v" }, { http.get(server.url .. "/opens") })
      if i % 20 == 0 then
        assert.is_true(count "task" < 120, count "task" .. " threads")
        assert.is_true(count "fd" < 250, count "fd" .. " fds")
      end
    end
    assert.same({ worker }, server:workers())
  end)

  it("keeps them few, too, when the store's server hangs", function()
    for _ = 1, 60 do
      assert.same({ 200, "nil" }, { http.get(server.url .. "/leaves") })
    end
    assert.is_true(Nginx.eventually(function()
      return count "task" < 150 and count "fd" < 300
    end))
  end)

  it("serves others while it closes a store whose server hangs", function()
    local status, longest = http.get(server.url .. "/closes")
    assert.equal(200, status)
    assert.is_true(tonumber(longest) < 2, longest)
  end)
end)
