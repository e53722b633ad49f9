-- weir's own redis connector over a weir serve: what every connector promises holds
-- through the server, for each way of a batch through it.
local Server = require "serve.server"
local Shell = require "shell"
local contract = require "contract"
local weir = require "weir"

local made = 0

-- A policy, so that batches go through Lua: `immediate`, and as a task.
local POLICY = [[return memory { capacity = "256MiB" } :prefix "p:"]]
local TIER = [[return tier { memory { capacity = "64MiB" },
  memory { capacity = "256MiB", inline = false } } :coalesce() :deadline(20)]]


-- `taken`: the bytes that the policy puts before keys.
local function over(server_url, taken)
  contract {
    longest_key = 65536 - 8 - (taken or 0),
    -- The others are scripts of Redis, which weir refuses.
    atomic = "add replace gat take", plain = "incr append",
    open = function(options)
      made = made + 1
      options.prefix = ("spec%03d:"):format(made)
      return weir.open(server_url(), options)
    end,
  }
end


describe("the redis connector over weir serve", function()
  local folder, server, tls_server

  setup(function()
    folder = Shell.folder()
    Shell.write(folder .. "/policy.lua", POLICY)
    Shell.write(folder .. "/tier.lua", TIER)
    Shell.run(([[cd %s && openssl req -x509 -newkey ec \
      -pkeyopt ec_paramgen_curve:P-256 \
      -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=weir \
      -addext subjectAltName=IP:127.0.0.1]]):format(folder))
    server = Server.start(("memory://?capacity=256MiB %s/policy.lua %s/tier.lua "
      .. "'memory://?capacity=256MiB&inline=false'"):format(folder, folder))
    tls_server = Server.start(("memory://?capacity=256MiB --tls-cert %s/cert.pem "
      .. "--tls-key %s/key.pem"):format(folder, folder))
  end)
  teardown(function()
    server:close()
    tls_server:close()
    Shell.remove(folder)
  end)

  for db, what in pairs {
    [0] = "memory://", "a policy that never waits", "a tier that waits",
    "a store with workers",
  } do
    describe("to " .. what, function()
      over(function() return server.url .. "/" .. db end, db == 1 and 2)
    end)
  end

  describe("by a unix socket", function()
    over(function() return server.unix_url end)
  end)

  describe("by TLS", function()
    over(function()
      return ("rediss://127.0.0.1:%d?ca=%s/cert.pem"):format(tls_server.port, folder)
    end)
  end)

  it("is a store below a tier", function()
    local store = weir.tier { weir.memory {}, weir.open(server.url) }
    local keys = {}
    for i = 1, 500 do keys[i] = "tier" .. i end
    assert.is_true(store:set_many(keys, keys):all "good")
    assert.equal("tier77\n", server:cli "get tier77")
    assert.equal("tier500", store:get_many(keys):string(500))
    store:close()
  end)

  it("lets no client without a certificate in where --tls-ca asks for one", function()
    local strict = Server.start(("memory:// --tls-cert %s/cert.pem "
      .. "--tls-key %s/key.pem --tls-ca %s/cert.pem"):format(folder, folder, folder))
    local cli = ("--tls --cacert %s/cert.pem "):format(folder)
    assert.is_nil(strict:cli(cli .. "ping"):find "PONG")
    assert.matches("PONG", strict:cli(cli
      .. ("--cert %s/cert.pem --key %s/key.pem ping"):format(folder, folder)))
    strict:close()
  end)
end)
