-- app/bench/wrk.lua: requests a second of an nginx, measured by wrk. Used by
-- `weir bench ngx` and `weir bench shm`.
local median = require "weir.app.bench.median"
local output = require "weir.app.bench.output"

local Wrk = {}

local SECONDS = 1


--- The figures of wrk for a location. Raises an error when a request failed.
---@return number requests a second
---@return string what wrk printed
function Wrk.run(server, path, connections, options)
  local text = output(("wrk -t1 -c%d -d%d %s '%s%s' 2>&1"):format(connections, SECONDS,
    options or "", server.url, path))
  local rate = tonumber(text:match "Requests/sec:%s*([%d.]+)")
  if not rate or text:match "Non%-2xx" or text:match "Socket errors" then
    error("bench: " .. path .. " fails: " .. text .. server:log():sub(-500), 0)
  end
  return rate, text
end


--- Requests a second of /weir/... and /nginx/..., in turns. none: of /weir/none/...
---@param case { name: string, path: string, reference: string, target: string?,
---  none: boolean? }
function Wrk.compare(bench, server, case, connections, rounds)
  local ours, theirs = {}, {}
  for i = 1, rounds do
    theirs[i] = Wrk.run(server, "/nginx" .. case.path, connections)
    ours[i] = Wrk.run(server, (case.none and "/weir/none" or "/weir") .. case.path,
      connections)
  end
  bench:row {
    case = ("%s, %d connection%s"):format(case.name, connections,
      connections > 1 and "s" or ""),
    figure = median(ours), unit = "requests/s", reference = case.reference,
    of = median(theirs), target = case.target,
  }
end


return Wrk
