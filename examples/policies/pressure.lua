-- Back-pressure: what policies make of a store that works on 8 requests at once, 10 ms
-- each. Virtual time; each row is 10 s. First 4 callers, and one request in fifty takes
-- 200 ms: hedge sends it again. Then 200 callers that wait 100 ms at most: the store
-- works on requests whose callers have left. A limit keeps them out of its queue, and
-- shed does not begin what would come too late.
--
--     build/weir run examples/policies/pressure.lua
--
--     policy                           callers  answered/s  p50 ms  p99 ms  requests/s
--     nothing                                4         293      10     199         293
--     hedge { delay = p(95) }                4         379      10      20         387
--     deadline(0.1)                        200           7      50      89        1445
--     limit { adaptive = "gradient" }      200         804      20      40         805
--     the same with shed = true            200         804      20      30         804
local Columns = require "weir.app.show.columns"
local Histogram = require "weir.replay.models.histogram"
local Virtual = require "weir.host.virtual"
local host = require "weir.host"
local weir = require "weir"

local SERVERS, WORK, SLOW = 8, 0.010, 0.200
local SECONDS = 10


-- The store: requests over SERVERS wait in it. n() is how many came.
local function modelled(ram, slow_share)
  local free, n = {}, 0
  for i = 1, SERVERS do free[i] = 0 end
  local store = weir.policy {
    name = "far", children = { ram },
    run = function(_, req)
      local first = 1
      for i = 2, SERVERS do if free[i] < free[first] then first = i end end
      local work = host.random() < slow_share and SLOW or WORK
      free[first], n = math.max(free[first], host.now()) + work, n + 1
      host.sleep(free[first] - host.now())
      return ram:run(req)
    end,
  }
  return store, function() return n end
end


-- One caller: reads until the time is over. It pauses after an error.
local function caller(tree, ends, times)
  while host.now() < ends do
    local since = host.now()
    if tree:get "k" then times:add(host.now() - since) else host.sleep(0.01) end
  end
end


local function row(name, callers, slow_share, wrap)
  local ram, times = weir.memory {}, Histogram.new()
  local store, requests = modelled(ram, slow_share)
  Virtual.new { seed = 1 }.run(function()
    local tree = wrap(store)
    assert(ram:set("k", "v"))
    local ends = host.now() + SECONDS
    for _ = 1, callers do host.spawn(caller, tree, ends, times) end
    host.sleep(SECONDS + 10)
  end)
  ram:close()
  local told = times:summary()
  return { name, tostring(callers), ("%.0f"):format(told.count / SECONDS),
    ("%.0f"):format(told.p50 * 1e3), ("%.0f"):format(told.p99 * 1e3),
    ("%.0f"):format(requests() / SECONDS) }
end


Columns.print({
  { "policy", "callers", "answered/s", "p50 ms", "p99 ms", "requests/s" },
  row("nothing", 4, 0.02, function(far) return far end),
  row("hedge { delay = p(95) }", 4, 0.02, function(far)
    return far:hedge { delay = weir.p(95) }
  end),
  row("deadline(0.1)", 200, 0, function(far) return far:deadline(0.1) end),
  row('limit { adaptive = "gradient" }', 200, 0, function(far)
    return far:limit { adaptive = "gradient", order = "lifo" }:deadline(0.1)
  end),
  row("the same with shed = true", 200, 0, function(far)
    return far:limit { adaptive = "gradient", order = "lifo", shed = true }
      :deadline(0.1)
  end),
}, "lrrrrr")
