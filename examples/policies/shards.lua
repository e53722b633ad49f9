-- Four Redis servers: keys sharded over two groups, each group a mirror of two. One
-- server is killed: every key is still there, and what it missed is mended when it
-- is back. The servers are started here, on unix sockets, and stopped at the end.
--
--     build/weir run examples/policies/shards.lua        (needs redis-server)
--
--     stored                       1000 of 1000 good
--     read                         1000 of 1000 good
--     read, server 1 dead          1000 of 1000 good
--     stored anew, server 1 dead   1000 of 1000 good
--     read, server 1 back, empty   1000 of 1000 good
--     read once more               1000 of 1000 good
local weir = require "weir"

local N = 1000


local function shell(command)
  local pipe = assert(io.popen(command))
  local out = pipe:read "*a"
  pipe:close()
  return (out:gsub("%s+$", ""))
end

local folder = shell "mktemp -d"

local function start(i)
  shell(("redis-server --port 0 --unixsocket %s/%d.sock --pidfile %s/%d.pid "
    .. "--save '' --daemonize yes --dir %s"):format(folder, i, folder, i, folder))
end

local function stop(i)
  local file = io.open(("%s/%d.pid"):format(folder, i))
  if not file then return end
  shell("kill " .. file:read "*n" .. " 2>&1")
  file:close()
end


local function server(i)
  return weir.open(("redis+unix://%s/%d.sock"):format(folder, i))
    :timeout(0.5):breaker { open = 0.2, min = 5 }
end

for i = 1, 4 do start(i) end
weir.sleep(0.3)

local one = weir.mirror { server(1), server(2), ack = 1, ["repair"] = true }
local two = weir.mirror { server(3), server(4), ack = 1, ["repair"] = true }
local store = weir.shard { one, two, names = { "one", "two" } }:limit { 4096 }

local keys = {}
for i = 1, N do keys[i] = "item:" .. i end

local function say(what, reply)
  print(("%-28s %d of %d good"):format(what, reply:count "good", #reply))
end

say("stored", store:set_many(keys, keys))
say("read", store:get_many(keys))
stop(1)
weir.sleep(0.2)
say("read, server 1 dead", store:get_many(keys))
say("stored anew, server 1 dead", store:set_many(keys, keys))
start(1)
weir.sleep(1)
say("read, server 1 back, empty", store:get_many(keys))
weir.sleep(1)
say("read once more", store:get_many(keys))

store:close()
for i = 1, 4 do stop(i) end
os.execute("rm -rf " .. folder)
