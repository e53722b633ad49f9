-- limit { adaptive = }: what it finds out about a modelled store. The store works on
-- `servers` requests at once, each for `service` seconds, and the others wait in it.
-- Its knee is at `servers` keys in flight.
local fake = require "fake"
local script = require "fake.store"

local SERVICE = 0.01

describe("limit { adaptive = }", function()
  local host
  before_each(function() host = fake.host { seed = 3 } end)
  after_each(fake.leave)

  -- noise: the share of the service time that comes by chance.
  local function modelled(servers, noise)
    local far = script.store(host, "far", { servers = servers, free = {} })
    function far.takes()
      local now, first = host.now(), 1
      for i = 1, far.servers do
        far.free[i] = far.free[i] or 0
        if far.free[i] < far.free[first] then first = i end
      end
      local chance = -math.log(1 - host.random() * 0.999)
      local work = SERVICE * (1 - noise + noise * chance)
      far.free[first] = math.max(far.free[first], now) + work
      return far.free[first] - now
    end
    return far
  end

  -- Lets so many callers read one after the other for `seconds`. Returns the requests a
  -- second and the mean limit and time in the second half.
  local function load(tree, far, callers, seconds)
    local begun, done, limits, times = host.now(), 0, 0, 0
    local ends, half = begun + seconds, begun + seconds / 2
    local run = far.run
    function far.run(self, req)
      local sent = host.now()
      local reply = run(self, req)
      if sent >= half then times = times + host.now() - sent end
      return reply
    end
    host:main(function()
      for i = 1, callers do
        host.spawn(function()
          while host.now() < ends do
            tree:get("k" .. i)
            if host.now() >= half then
              done, limits = done + 1, limits + tree:tally().keys_limit
            end
          end
        end)
      end
    end)
    far.run = run
    return { rate = done / (seconds / 2), limit = limits / done, time = times / done }
  end

  -- How many keys in flight an algorithm may settle at, as multiples of the knee.
  local NEAR = { gradient = 2.2, vegas = 2 }

  for _, algorithm in ipairs { "gradient", "vegas" } do
    describe('"' .. algorithm .. '"', function()
      local function check(found, servers)
        local text = ("limit %.1f, %.0f a second, %.1f ms"):format(found.limit,
          found.rate, found.time * 1e3)
        assert.is_true(found.limit > 0.9 * servers, text)
        assert.is_true(found.limit < NEAR[algorithm] * servers, text)
        assert.is_true(found.rate > 0.93 * servers / SERVICE, text)
        assert.is_true(found.time < NEAR[algorithm] * SERVICE, text)
      end

      it("settles near the knee, from below and from above", function()
        for _, first in ipairs { 2, 60 } do
          local far = modelled(8, 0)
          local tree = far:limit { first, adaptive = algorithm }
          check(load(tree, far, 80, 10), 8)
        end
      end)

      it("settles near the knee of a store whose times vary", function()
        local far = modelled(16, 0.5)
        local tree = far:limit { adaptive = algorithm }
        check(load(tree, far, 100, 10), 16)
      end)

      it("finds the new knee when the store becomes smaller, or larger", function()
        local far = modelled(16, 0)
        local tree = far:limit { adaptive = algorithm }
        check(load(tree, far, 100, 5), 16)
        far.servers = 8
        check(load(tree, far, 100, 10), 8)
        far.servers = 16
        check(load(tree, far, 100, 10), 16)
      end)

      it("stays where it is when callers do not use it", function()
        local far = modelled(50, 0)
        local tree = far:limit { 40, adaptive = algorithm }
        load(tree, far, 3, 10)
        assert.equal(40, tree:tally().keys_limit)
      end)

      it("keeps to its bounds, and goes down when the store is busy", function()
        local far = modelled(16, 0)
        local tree = far:limit { adaptive = algorithm, max = 10 }
        assert.is_true(load(tree, far, 50, 5).limit <= 10)
        far.down = "busy"
        tree = far:limit { adaptive = algorithm, min = 3 }
        load(tree, far, 50, 5)
        assert.equal(3, tree:tally().keys_limit)
      end)
    end)
  end

  it("tells what it has found out, and keeps it over a reload", function()
    local far = modelled(16, 0)
    local function file(max) return far:limit { adaptive = "vegas", max = max } end
    local old = file(1000)
    load(old, far, 100, 4)
    local tally = old:tally()
    assert.near(SERVICE, tally.unloaded, SERVICE / 2)
    assert.matches("up to %d+ keys by vegas", old:explain("get", "k")[1].why)
    local new = file(900)
    new:inherit(old, { 1 })
    assert.equal(tally.keys_limit, new:tally().keys_limit)
    assert.equal(tally.unloaded, new:tally().unloaded)
    new = file(4)
    new:inherit(old, { 1 })
    assert.equal(4, new:tally().keys_limit)
  end)

  it("needs bounds in order", function()
    assert.error_matches(function()
      script.store(host, "far"):limit { adaptive = "vegas", min = 9, max = 3 }
    end, "limit: min = 9 is over max = 3")
  end)
end)
