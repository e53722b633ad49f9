-- The servers of benchmarks and specs: they start whichever ports are taken, and what
-- keeps one from starting is said in its own words.
local Cluster = require "weir.app.bench.redis_cluster"
local Nginx = require "weir.app.bench.nginx"
local Ports = require "weir.app.bench.ports"
local Server = require "weir.app.bench.redis_server"
local hung = require "hung"
local shell = require "shell"

local CERTIFY = [[cd %s && openssl req -x509 -newkey ec \
  -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out cert.pem -days 2 \
  -subj /CN=weir -addext subjectAltName=IP:127.0.0.1 2>&1]]


describe("servers of benchmarks and specs", function()
  local real_row = Ports.row
  local folder, other, taken

  setup(function()
    folder = shell.folder()
    local code, out = shell.run(CERTIFY:format(folder))
    assert.equal(0, code, out)
  end)
  teardown(function() shell.remove(folder) end)

  before_each(function()
    taken = Ports.free()
    other = hung.listen(taken)
  end)
  after_each(function()
    Ports.row = real_row
    other:close()
  end)

  -- The first n rows that are asked for begin at that port.
  local function give(port, n)
    local asked = 0
    Ports.row = function(length)
      asked = asked + 1
      return asked <= n and port or real_row(length)
    end
  end

  it("have ports that no outgoing connection gets", function()
    for _ = 1, 1000 do
      for _, n in ipairs { 1, 6 } do
        local first = Ports.row(n)
        assert(first >= 10000 and first + n - 1 + 10000 < 32768, first)
      end
    end
  end)

  it("have other ports in each process", function()
    local line = [[luajit -e 'package.path = "lua/?.lua" for _ = 1, 8 do
      print(require("weir.app.bench.ports").row()) end']]
    local _, one = shell.run(line)
    local _, two = shell.run(line)
    assert.matches("^%d+\n", one)
    assert.not_equal(one, two)
  end)

  it("try further ports when one is taken", function()
    give(taken, 2)
    local server = assert(Server.start())
    local _, out = shell.run(("redis-cli -p %d ping"):format(server.port))
    server:stop()
    assert.equal("PONG\n", out)
  end)

  it("try further ports when that of TLS is taken", function()
    give(taken - 1, 2)
    local server = assert(Server.start(nil, folder))
    local _, out = shell.run(("redis-cli -p %d --tls --cacert %s/cert.pem ping"):format(
      server.tls_url:match ":(%d+)", folder))
    server:stop()
    assert.equal("PONG\n", out)
  end)

  it("try further ports for a cluster", function()
    give(taken, 1)
    local cluster = assert(Cluster.start(3, 0))
    cluster:stop()
    for _, node in ipairs(cluster.nodes) do assert.not_equal(taken, node.port) end
  end)

  it("try further ports for nginx", function()
    give(taken, 2)
    local nginx = Nginx.start {}
    nginx:stop()
    assert.not_equal(taken, nginx.port)
  end)

  it("say why they do not start", function()
    give(taken, math.huge)
    local server, why = Server.start()
    assert.is_nil(server)
    assert.matches("redis%-server does not start: .*Address already in use", why)
    server, why = Server.start "--no-such-option 1"
    assert.is_nil(server)
    assert.matches("no%-such%-option", why)
    local cluster
    cluster, why = Cluster.start(3, 0)
    assert.is_nil(cluster)
    assert.matches("does not start as a cluster: .*Address already in use", why)
  end)
end)
