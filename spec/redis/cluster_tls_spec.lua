-- A Redis Cluster over TLS, whose nodes have a password and announce host names.
local Cluster = require "weir.app.bench.redis_cluster"
local shell = require "shell"
local weir = require "weir"

-- A certificate for the name that the nodes announce, and for their address, which
-- redis-cli needs.
local CERTIFY = [[cd %s && openssl req -x509 -newkey ec \
  -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out cert.pem -days 2 \
  -subj /CN=weir -addext subjectAltName=DNS:localhost,IP:127.0.0.1 2>/dev/null]]

local NAMED = "--cluster-announce-hostname localhost "
  .. "--cluster-preferred-endpoint-type hostname"

local KEYS = 200


describe("a redis cluster with TLS and host names", function()
  local folder, cluster

  setup(function()
    folder = shell.folder()
    assert(os.execute(CERTIFY:format(folder)) == 0)
    cluster = assert(Cluster.start(3, 0, NAMED, folder))
    for _, node in ipairs(cluster.nodes) do
      cluster:command(node, "acl setuser ann on '>secret' '~*' '&*' '+@all'")
    end
  end)

  teardown(function()
    cluster:stop()
    shell.remove(folder)
  end)

  -- `seeds`: host:port,host:port.
  local function open(user, seeds, options)
    seeds = seeds or cluster.url:match "//(.-)/"
    return weir.open(("rediss://%s%s/?cluster=true&ca=%s/cert.pem")
      :format(user, seeds, folder), options)
  end

  local function round(store)
    local keys, values = {}, {}
    for i = 1, KEYS do keys[i], values[i] = "k" .. i, "value " .. i end
    local reply = store:set_many(keys, values)
    assert(reply:all "good", tostring(reply))
    reply = store:get_many(keys)
    for i = 1, KEYS do assert.equal(values[i], reply:string(i)) end
    local n = 0
    for _ in store:scan {} do n = n + 1 end
    assert.equal(KEYS, n)
  end

  it("is reached by the names that its nodes announce", function()
    local store = open("ann:secret@", nil, { prefix = "a:" })
    round(store)
    assert.matches("node localhost:%d+", tostring(store:explain("get", "k1")))
    assert.equal(3, store:stats().gauges.masters)
    for _, node in ipairs(cluster:masters()) do
      assert.matches("user=ann", cluster:command(node, "client list"), 1, true)
    end
    store:close()
  end)

  it("is reached by one seed that is a name, beside a dead one", function()
    local store = open("ann:secret@", "127.0.0.1:1,localhost:" .. cluster.nodes[2].port,
      { prefix = "b:" })
    round(store)
    store:close()
  end)

  it("follows slots that move", function()
    local store = open("ann:secret@", nil, { prefix = "c:" })
    round(store)
    local masters = cluster:masters()
    assert.is_true(cluster:move(100, masters[1], masters[2]))
    round(store)
    store:close()
  end)

  it("keeps copies that agree", function()
    local far = open("ann:secret@", nil,
      { prefix = "d:", tracking = true, tracking_timeout = 20 })
    local tree = weir.tier { weir.memory {}, far, coherent = true }
    weir.run(function()
      for _, value in ipairs { "old", "new" } do
        cluster:command(cluster.nodes[1], "-c set d:k " .. value)
        local limit = weir.now() + 30
        repeat
          assert(weir.now() < limit, "no copy of " .. value)
          weir.sleep(0.01)
          local reply = tree:get_many { "k" }
        until reply:string(1) == value and reply:level(1) == 1
      end
      tree:close { drop = true }
    end)
  end)

  it("says what a user may not do", function()
    for _, node in ipairs(cluster.nodes) do
      cluster:command(node, "acl setuser mapless on '>secret' '~*' '+@all' -cluster")
      cluster:command(node,
        "acl setuser blind on '>secret' '~*' '&*' '+@all' '-client|tracking'")
    end
    local store = open "mapless:secret@"
    local value, err = store:get "k1"
    assert.is_nil(value)
    assert.equal("denied", err.code)
    assert.matches("CLUSTER SLOTS: %-NOPERM .*cluster", tostring(err))
    assert.not_matches("cluster=true", tostring(err), 1, true)
    -- explain has no map either, and tells the reason.
    assert.matches("slot %d+; no map of the cluster: .*%-NOPERM",
      tostring(store:explain("get", "k1")))
    store:close()

    local said = {}
    local tree = weir.tier { weir.memory {}, open("blind:secret@", nil,
      { tracking = true }), coherent = true }
    weir.run(function()
      local inside = require("weir.host").current()
      inside.warn = function(sentence) said[#said + 1] = sentence end
      local limit = weir.now() + 30
      repeat
        assert(weir.now() < limit, "nothing was said")
        weir.sleep(0.01)
        tree:get "k1"
      until #said > 0
      inside.warn = nil
      tree:close { drop = true }
    end)
    assert.matches("'client|tracking'", said[1], 1, true)
    assert.matches("; let the user run HELLO, CLIENT TRACKING and CLUSTER INFO",
      said[1], 1, true)
  end)

  it("says that nodes expect TLS", function()
    local store = weir.open(("redis://ann:secret@%s/?cluster=true")
      :format(cluster.url:match "//(.-)/"))
    local value, err = store:get "k1"
    assert.is_nil(value)
    assert.matches("; if it expects TLS, set tls=true", tostring(err), 1, true)
    assert.not_matches("secret", tostring(err), 1, true)
    store:close()
  end)

  it("refuses a wrong password, and a certificate that it does not trust", function()
    local store = open "ann:wrong@"
    local value, err = store:get "k1"
    assert.is_nil(value)
    assert.equal("denied", err.code)
    store:close()
    store = weir.open(("rediss://ann:secret@%s/?cluster=true&timeout=5s")
      :format(cluster.url:match "//(.-)/"))
    value, err = store:get "k1"
    assert.is_nil(value)
    assert.matches("certificate", tostring(err))
    store:close()
  end)
end)
