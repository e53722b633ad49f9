-- app/bench/coherent_workers.lua: workers of nginx, each with memory of its own over
-- one Redis that another client writes to. Measures for how long a worker serves an old
-- value after the next write was acknowledged. For `weir bench coherent` and a spec.
local Host = require "weir.host"
local Nginx = require "weir.app.bench.nginx"
local weir = require "weir"
local output = require "weir.app.bench.output"

local Workers = {}
Workers.__index = Workers

local KEY, PREFIX = "k", "app:"
local PAUSE = 0.005 -- between two writes

-- Each worker notes when it last served each value that was not marked stale.
local HTTP = [[
  init_worker_by_lua_block {
    weir = require "weir"
    tree = weir.tier { weir.memory {}, weir.open("%s", { tracking = true,
      prefix = "%s", backoff = 0.01, max_backoff = 0.05 }), coherent = true }
    seen = {}
    clock = require("weir.host").now
  }
]]

local SERVER = [[
  location /k { content_by_lua_block {
    local reply = tree:get_many { "k" }
    local value = reply:string(1)
    if value and not (reply.stale and reply.stale[1]) then
      seen[tonumber(value)] = clock()
    end
    ngx.print(tostring(value))
  } }
  location /seen { content_by_lua_block {
    local parts = { tostring(ngx.worker.pid()) }
    for value, time in pairs(seen) do
      parts[#parts + 1] = ("%d=%.9f"):format(value, time)
    end
    seen = {}
    ngx.print(table.concat(parts, " "))
  } }
  location /stats { content_by_lua_block {
    ngx.print(tostring(tree:tally()[ngx.var.arg_name]))
  } }
]]


--- Starts so many workers over the Redis at a URL.
function Workers.start(url, n)
  return setmetatable({
    url = url, n = n, last = 0,
    server = Nginx.start { workers = n, listen = "reuseport", level = "error",
      http = HTTP:format(url, PREFIX), server = SERVER },
  }, Workers)
end


--- The body of a response of any of the workers.
function Workers:get(path)
  return output(("curl -s -m 20 '%s%s'"):format(self.server.url, path))
end


-- Takes what all workers have noted, and calls each with values and times.
local function take_notes(self, each)
  local pids, n = {}, 0
  assert(Nginx.eventually(function()
    local text = self:get "/seen"
    local pid = text:match "^%d+"
    if pid and not pids[pid] then pids[pid], n = true, n + 1 end
    for value, time in text:gmatch "(%d+)=([%d.]+)" do
      each(tonumber(value), tonumber(time))
    end
    return n == self.n
  end), "a worker of nginx does not reply")
end


-- Writes one number after the other. Returns when each was acknowledged.
local function write(self, seconds, disturb)
  local acknowledged, now, writes = {}, Host.now, 0
  local other = weir.open(self.url, { prefix = PREFIX, timeout = 5 })
  local by = now() + seconds
  repeat
    local final = now() >= by
    self.last = self.last + 1
    if other:set(KEY, tostring(self.last)) then acknowledged[self.last] = now() end
    weir.sleep(PAUSE)
    writes = writes + 1
    if disturb and writes % 50 == 0 then disturb() end
  until final and acknowledged[self.last]
  other:close()
  return acknowledged
end


--- Writes for so many seconds while wrk reads from all workers. Call it in weir.run.
---@param connections integer of wrk
---@param disturb fun()? called after each 50th write
---@return number[] delays in seconds, in order: of each value that was served, from the
--- acknowledgement of the next write to the last time that any worker served the value;
--- 0: no worker did after it
---@return number rate requests a second of wrk
function Workers:measure(seconds, connections, disturb)
  take_notes(self, function() end)
  local load = assert(io.popen(("wrk -t1 -c%d -d%d %s/k 2>&1"):format(connections,
    seconds + 1, self.server.url)))
  local acknowledged = write(self, seconds, disturb)
  local text = load:read "*a"
  load:close()
  local latest, list = {}, {}
  take_notes(self, function(value, time)
    latest[value] = math.max(latest[value] or 0, time)
  end)
  for value, time in pairs(latest) do
    local since = acknowledged[value + 1]
    if since then list[#list + 1] = math.max(time - since, 0) end
  end
  table.sort(list)
  return list, tonumber(text:match "Requests/sec:%s*([%d.]+)") or 0
end


--- Ends nginx. Returns its error log.
function Workers:stop()
  local log = self.server:log()
  self.server:stop()
  return log
end


return Workers
