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
