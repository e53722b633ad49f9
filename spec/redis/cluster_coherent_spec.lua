-- Memory over a Redis Cluster that others write to: tier { coherent = true } while
-- slots move, a node joins, a replica takes over.
local Cluster = require "weir.app.bench.redis_cluster"
local weir = require "weir"

local KEYS = 24
local PATIENCE = 60


local function eventually(condition)
  local limit = weir.now() + PATIENCE
  while not condition() do
    if weir.now() > limit then return false end
    weir.sleep(0.01)
  end
  return true
end


describe("memory over a redis cluster", function()
  local cluster, tree, far

  setup(function() cluster = assert(Cluster.start(3, 1)) end)
  teardown(function() cluster:stop() end)

  -- The timeout is long: a machine that hangs is no loss of sight.
  before_each(function()
    far = weir.open(cluster.url, {
      prefix = "app:", tracking = true, tracking_timeout = 20, timeout = 5,
    })
    tree = weir.tier { weir.memory {}, far, coherent = true }
  end)

  after_each(function()
    weir.run(function() tree:close { drop = true } end)
  end)

  -- Another client sets all keys. On a busy machine the cluster may be down meanwhile.
  local function others_set(value)
    for i = 1, KEYS do
      local line = ("-c set app:k%d %s%d"):format(i, value, i)
      assert.is_true(eventually(function()
        return cluster:command(cluster:masters()[1], line) == "OK"
      end))
    end
  end

  -- Reads each key until its answer is `value` out of memory.
  local function all_warm(value)
    for i = 1, KEYS do
      assert.is_true(eventually(function()
        local reply = tree:get_many { "k" .. i }
        return reply:string(1) == value .. i and reply:level(1) == 1
      end), "k" .. i .. " is not " .. value .. i)
    end
  end

  local function losses() return tree:tally().sight_losses end

  it("follows what others set on each of its masters", function()
    weir.run(function()
      for _, value in ipairs { "a", "b", "c" } do
        others_set(value)
        all_warm(value)
      end
      assert.is_true(tree:tally().invalidations >= 2 * KEYS)
      local lost = losses()
      for _, master in ipairs(cluster:masters()) do
        cluster:command(master, "flushall")
      end
      for i = 1, KEYS do
        assert.is_true(eventually(function() return tree:get("k" .. i) == nil end))
      end
      assert.is_true(eventually(function() return losses() > lost end))
    end)
  end)

  it("keeps sight while slots move between its masters", function()
    weir.run(function()
      others_set "a"
      all_warm "a"
      local lost, masters = losses(), cluster:masters()
      assert.is_true(cluster:move(200, masters[1], masters[2]))
      others_set "b"
      all_warm "b"
      assert.equal(lost, losses())
    end)
  end)

  it("follows a node that joins, and one that leaves", function()
    weir.run(function()
      others_set "a"
      all_warm "a"
      local lost = losses()
      local master, node = cluster:masters()[1], assert(cluster:grow())
      assert.is_true(cluster:move(600, master, node))
      others_set "b"
      all_warm "b"
      assert.is_true(eventually(function()
        return losses() > lost and tree:tally().sight == 1
      end))
      lost = losses()
      assert.is_true(cluster:move(600, node, master))
      assert.is_true(cluster:shrink(node))
      others_set "c"
      all_warm "c"
      assert.is_true(eventually(function() return losses() > lost end))
    end)
  end)

  it("follows a replica that is told to take over", function()
    weir.run(function()
      others_set "a"
      all_warm "a"
      local lost = losses()
      for _, node in ipairs(cluster.nodes) do
        local info = not node.gone and cluster:command(node, "info replication") or ""
        if info:find "role:slave" then
          assert.equal("OK", cluster:command(node, "cluster failover"))
          assert.is_true(eventually(function()
            return cluster:command(node, "info replication"):find "role:master"
          end))
          break
        end
      end
      assert.is_true(cluster:settled())
      others_set "b"
      all_warm "b"
      assert.is_true(eventually(function() return losses() > lost end))
    end)
  end)

  it("serves nothing old when a master is killed and its replica takes over", function()
    weir.run(function()
      others_set "a"
      all_warm "a"
      local killed = cluster:masters()[2]
      cluster:signal(killed, "KILL")
      killed.gone = true
      assert.is_true(eventually(function() return tree:tally().sight == 0 end))
      assert.is_true(cluster:settled())
      others_set "b"
      all_warm "b"
    end)
  end)
end)
