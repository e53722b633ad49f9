-- A store that goes away and comes back under traffic: failover to memory, a breaker
-- so that the dead server costs nothing, and no value older than the last one that
-- was acknowledged, whichever of the two answers.
--
--     build/weir run examples/policies/failover.lua      (needs redis-server)
--
--     both up          served yes  failed 0  older values 0  breaker closed
--     redis dead       served yes  failed 0  older values 0  breaker open
--     redis back       served yes  failed 0  older values 0  breaker closed
local weir = require "weir"


local function shell(command)
  local pipe = assert(io.popen(command))
  local out = pipe:read "*a"
  pipe:close()
  return (out:gsub("%s+$", ""))
end

local folder = shell "mktemp -d"

local function start()
  shell(("redis-server --port 0 --unixsocket %s/sock --pidfile %s/pid --save '' "
    .. "--daemonize yes --dir %s"):format(folder, folder, folder))
end

local function stop()
  local file = assert(io.open(folder .. "/pid"))
  shell("kill " .. file:read "*n")
  file:close()
end


start()
weir.sleep(0.3)
local redis = weir.open("redis+unix://" .. folder .. "/sock")
local guarded = redis:timeout(0.2):breaker { min = 5, open = 0.3 }:retry { 1 }
local store = weir.failover { guarded, weir.memory {}, ttl = 60 }

-- One counter, written and read back all the time.
local written, failed, older, stopped = 0, 0, 0, false
local traffic = weir.spawn(function()
  while not stopped do
    local good = store:set("counter", tostring(written + 1))
    if good then written = written + 1 else failed = failed + 1 end
    local value = store:get "counter"
    if value and tonumber(tostring(value)) < written then older = older + 1 end
    weir.sleep(0.001)
  end
end)

local function phase(what, seconds)
  local before = written
  weir.sleep(seconds)
  local stats = store:stats()["[1].retry.breaker"]
  print(("%-16s served %-3s  failed %d  older values %d  breaker %s"):format(what,
    written > before and "yes" or "no", failed, older, stats.state))
end

phase("both up", 0.5)
stop()
phase("redis dead", 1)
start()
phase("redis back", 2)

stopped = true
weir.join(traffic)
store:close()
stop()
os.execute("rm -rf " .. folder)
